# unit tests of the floor "pool"
