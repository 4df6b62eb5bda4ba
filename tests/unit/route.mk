# unit tests of the floor "route"
