# unit tests of the floor "tls"
