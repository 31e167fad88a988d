"""Does: everything that touches the network, this system's files or a process. The rooms here are siblings."""
