"""A Kafka of one node, for trials and tests: from Maven's jars, with one command, without root."""
