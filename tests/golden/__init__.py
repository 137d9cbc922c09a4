"""Golden answers: what a request was answered once, it is answered for ever."""
