# unit tests of the floor "session"
