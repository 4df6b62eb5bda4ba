"""What the end-to-end tests stand on: the gateway as a process, and the peers on both its sides."""
