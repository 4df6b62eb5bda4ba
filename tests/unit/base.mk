# unit tests of the floor "base"
