package org.weightinit;

import java.io.EOFException;
import java.io.IOException;
import java.net.ConnectException;
import java.net.http.HttpHeaders;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.net.http.HttpTimeoutException;
import java.nio.ByteBuffer;

/**
 * One call, until its whole answer has come: asked again while the service is busy, and continued where a connection broke. A timeout is
 * the end of it.
 */
final class Exchange {
    private static final long FIRST_PAUSE_MS = 100;
    private static final int MOST_DOUBLINGS = 8;
    private static final long LONGEST_WAIT_S = 60;
    private static final int OK = 200;
    private static final int PARTIAL_CONTENT = 206;
    private static final int TOO_MANY_REQUESTS = 429;
    private static final int SERVICE_UNAVAILABLE = 503;

    private final Transport transport;
    private final Call call;
    private final Sink sink;
    private String etag; // of an answer that can be continued; else null
    private long length; // as announced; -1 where it was not
    private long received;
    private long furthest;
    private int failures; // in a row

    Exchange(Transport transport, Call call, Sink sink) {
        this.transport = transport;
        this.call = call;
        this.sink = sink;
    }

    /** Throws WeightInitException, and what the sink throws. */
    void complete() throws InterruptedException {
        boolean done = false;
        while (!done) {
            try {
                done = attempt();
            } catch (HttpTimeoutException timeout) {
                throw WeightInitException.of("Timeout", nothingCame(), timeout);
            } catch (IOException broken) {
                pauseAfter(broken);
            }
        }
    }

    /** Whether all of it has come; else ask again. */
    private boolean attempt() throws IOException, InterruptedException {
        var response = transport.http().send(request(), BodyHandlers.ofPublisher());
        try (var body = new Body(response.body(), transport.timeout())) {
            if (response.statusCode() == OK && sink.expects(response.headers())) {
                begin(response.headers());
            } else if (response.statusCode() == PARTIAL_CONTENT && received > 0) {
                checkContinued(response.headers());
            } else {
                waitOrRefuse(response, body);
                return false;
            }
            body.passTo(this::accept);
            checkWhole();
            return true;
        }
    }

    private HttpRequest request() {
        var request = transport.request(call);
        if (etag != null && received > 0) {
            request.header("Range", "bytes=" + received + "-").header("If-Range", etag);
        }
        return request.build();
    }

    private void begin(HttpHeaders headers) {
        boolean continuable = headers.firstValue("Accept-Ranges").filter("bytes"::equals).isPresent();
        etag = headers.firstValue("ETag").filter(tag -> continuable && tag.startsWith("\"")).orElse(null);
        length = headers.firstValueAsLong("Content-Length").orElse(-1);
        received = 0;
        sink.begin(headers);
    }

    private void checkContinued(HttpHeaders headers) {
        String range = headers.firstValue("Content-Range").orElse("no range");
        String tag = headers.firstValue("ETag").orElse("no ETag");
        if (!range.startsWith("bytes " + received + "-") || !tag.equals(etag)) {
            throw WeightInitException.of(
                    "Wrong Part",
                    "Expected the rest from byte " + received + " of " + etag + "; received " + range + " of " + tag + ". Ask again.",
                    null);
        }
    }

    private void accept(ByteBuffer part) {
        int size = part.remaining();
        sink.accept(part);
        received += size;
    }

    private void checkWhole() throws EOFException {
        if (length >= 0 && received != length) {
            throw new EOFException(received + " of " + length + " bytes came");
        }
    }

    /** Any other answer: wait if the service is busy and says for how long, else throw what it says. */
    private void waitOrRefuse(HttpResponse<?> response, Body body) throws IOException, InterruptedException {
        var text = new IncomingText();
        body.passTo(text::accept);
        int status = response.statusCode();
        boolean busy = status == TOO_MANY_REQUESTS || status == SERVICE_UNAVAILABLE;
        long waitSeconds = response.headers().firstValue("Retry-After").map(Exchange::seconds).orElse(1L);
        if (!busy || failures >= transport.retries() || waitSeconds > LONGEST_WAIT_S) {
            throw refusal(response, text);
        }
        failures++;
        Thread.sleep(1000 * waitSeconds);
    }

    private static long seconds(String retryAfter) {
        return retryAfter.matches("\\d{1,18}") ? Long.parseLong(retryAfter) : 1;
    }

    private static WeightInitException refusal(HttpResponse<?> response, IncomingText text) {
        String type = response.headers().firstValue("Content-Type").orElse("no type");
        JsonObject problem = type.startsWith("application/problem+json") ? text.objectOrNull() : null;
        if (problem != null) {
            return WeightInitException.ofProblem(response.statusCode(), problem);
        }
        String expected = response.statusCode() == OK ? "the header " + Metadata.HEADER : "an answer of weight-init";
        String received = response.statusCode() + " with " + text.beginning() + " (" + type + ")";
        return WeightInitException.ofForeign(response.statusCode(), expected, received);
    }

    /** Twice as long each time. An attempt that came further than all before it begins the count anew. */
    private void pauseAfter(IOException broken) throws InterruptedException {
        if (received > furthest) {
            furthest = received;
            failures = 0;
        }
        if (failures >= transport.retries()) {
            throw WeightInitException.of("No Answer", noWholeAnswer(broken), broken);
        }
        Thread.sleep(FIRST_PAUSE_MS << Math.min(failures, MOST_DOUBLINGS));
        failures++;
    }

    private String noWholeAnswer(IOException broken) {
        if (broken instanceof ConnectException) {
            return "No service answers at " + transport.url() + " (" + broken
                    + "). Start it with `weight-init serve`, or give Client its URL.";
        }
        return "The connection to " + transport.url() + " broke before the whole answer came (" + broken.getMessage() + "). Ask again.";
    }

    private String nothingCame() {
        String seconds = String.format("%s", transport.timeout().toMillis() / 1000.0).replaceFirst("\\.0$", "");
        return "Nothing came from " + transport.url() + " for " + seconds + " s. Ask again, or give Client a larger timeout.";
    }
}
