# unit tests of the floor "io"
