/// What the window system side keeps of a context: what is current, and how it came to be.
struct WindowBinding {
}
