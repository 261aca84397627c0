// A driver that offers ray tracing where there is none: lavapipe with commands of its own that write down
// what they were given. See raydriver.c.
