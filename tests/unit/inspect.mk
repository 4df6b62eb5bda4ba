# unit tests of the floor "inspect"
