package org.weightinit;

import java.net.http.HttpHeaders;
import java.nio.ByteBuffer;

/** Where the bytes of an answer go. */
interface Sink {
    /** Whether these are the headers of an answer that belongs here, and not of somebody else's page. */
    boolean expects(HttpHeaders headers);

    /** An answer begins, or begins anew: what came before counts no more. */
    void begin(HttpHeaders headers);

    /** The next bytes. They are all taken. */
    void accept(ByteBuffer part);
}
