package org.weightinit;

import java.net.http.HttpHeaders;
import java.nio.ByteBuffer;

/** Receives the bytes of a response. */
interface Sink {
    /** Returns whether the headers belong to an expected response, and not to a page of another service. */
    boolean expects(HttpHeaders headers);

    /** Prepares for a new response, and discards what was received before. */
    void begin(HttpHeaders headers);

    /** Takes all bytes of the next part. */
    void accept(ByteBuffer part);
}
