/// State of a context that the client answers for itself.
struct Shadow {
}
