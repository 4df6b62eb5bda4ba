# unit tests of the floor "config"
