"""`receiver import`: the sends of a file, registered with a running receiver."""
