package org.weightinit;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** Tests responses that a weight-init service never sends, but a proxy, a network or another service may. */
@Timeout(60)
class ExchangeTest {
    private static final String METADATA = "Weight-Init: {\"shape\":[2],\"dtype\":\"float32\"}\r\n";
    private static final String RESUMABLE = "Accept-Ranges: bytes\r\nETag: \"a\"\r\n";
    private static final String ONE = "\0\0\u0080\u003f";
    private static final String TWO = "\0\0\0\u0040";
    private static final String BROKEN = ok(RESUMABLE, ONE + "\0");

    @Test
    void resumesWhereTheConnectionBroke() throws IOException {
        try (var service = new ScriptedService(BROKEN, part("bytes 5-7/8", "\"a\"", "\0\0\u0040"))) {
            assertArrayEquals(new float[] {1, 2}, init(service).floats());
            assertTrue(service.requests.get(1).contains("Range: bytes=5-\n"));
            assertTrue(service.requests.get(1).contains("If-Range: \"a\"\n"));
        }
    }

    @Test
    void rejectsAnotherRangeThanRequested() throws IOException {
        for (String other : new String[] {part("bytes 4-7/8", "\"a\"", TWO), part("bytes 5-7/8", "\"b\"", "\0\0\u0040")}) {
            try (var service = new ScriptedService(BROKEN, other)) {
                assertEquals("Wrong Range", assertThrows(WeightInitException.class, () -> init(service)).title());
            }
        }
    }

    @Test
    void restartsAResponseThatCannotBeResumed() throws IOException {
        for (String headers : new String[] {"", "ETag: \"a\"\r\n", "Accept-Ranges: bytes\r\nETag: W/\"a\"\r\n"}) {
            try (var service = new ScriptedService(ok(headers, ONE + "\0"), ok(headers, ONE + TWO))) {
                assertArrayEquals(new float[] {1, 2}, init(service).floats());
                assertFalse(service.requests.get(1).contains("Range:"));
            }
        }
    }

    @Test
    void aCompleteResponseReplacesTheFirstPart() throws IOException {
        try (var service = new ScriptedService(BROKEN, ok(RESUMABLE, TWO + ONE))) {
            assertArrayEquals(new float[] {2, 1}, init(service).floats());
        }
    }

    @Test
    void givesUpWithoutProgress() throws IOException {
        try (var service = new ScriptedService(ok("", ONE), ok("", ONE), ok("", ONE))) {
            Client client = builderFor(service).retries(2).build();
            assertThrows(WeightInitException.class, () -> client.init(Request.of(2)));
            assertEquals(3, service.requests.size());
        }
    }

    @Test
    void timesOutWithinAResponse() throws IOException {
        try (var service = new ScriptedService(BROKEN + "…")) {
            Client client = builderFor(service).timeout(Duration.ofSeconds(1)).build();
            WeightInitException timeout = assertThrows(WeightInitException.class, () -> client.init(Request.of(2)));
            assertEquals("Timeout", timeout.title());
            assertEquals(1, service.requests.size());
        }
    }

    @Test
    void rejectsALengthThatContradictsTheShape() throws IOException {
        String longer = "HTTP/1.1 200 OK\r\nContent-Length: 12\r\n" + METADATA + "\r\n" + ONE + ONE + ONE;
        String unannounced = "HTTP/1.0 200 OK\r\n" + METADATA + "\r\n";
        for (String response : new String[] {longer, unannounced + ONE, unannounced + ONE + ONE + ONE}) {
            try (var service = new ScriptedService(response)) {
                assertEquals("Wrong Length", assertThrows(WeightInitException.class, () -> init(service)).title());
            }
        }
    }

    @Test
    void acceptsAnEmptyTensor() throws IOException {
        String empty = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nWeight-Init: {\"shape\":[0,3],\"dtype\":\"float32\"}\r\n\r\n";
        try (var service = new ScriptedService(empty)) {
            assertEquals(0, init(service).floats().length);
        }
    }

    @Test
    void doesNotWaitForMoreThanAMinute() throws IOException {
        try (var service = new ScriptedService("HTTP/1.1 503 Busy\r\nRetry-After: 61\r\nContent-Length: 5\r\n\r\nlater")) {
            WeightInitException busy = assertThrows(WeightInitException.class, () -> init(service));
            assertEquals(503, busy.status());
            assertTrue(busy.detail().contains("503 with 'later'"), busy.detail());
        }
    }

    @Test
    void rejectsAnUnknownDtype() throws IOException {
        String header = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nWeight-Init: {\"shape\":[2],\"dtype\":\"float8\"}\r\n\r\n..";
        try (var service = new ScriptedService(header)) {
            WeightInitException unknown = assertThrows(WeightInitException.class, () -> init(service));
            assertTrue(unknown.detail().contains("float8"), unknown.detail());
        }
    }

    @Test
    void anInterruptEndsTheWait() throws Exception {
        try (var service = new ScriptedService(BROKEN + "…")) {
            Thread.currentThread().interrupt();
            WeightInitException interrupted = assertThrows(WeightInitException.class, () -> init(service));
            assertEquals("Interrupted", interrupted.title());
            assertTrue(Thread.interrupted());
        }
    }

    @Test
    void rejectsInvalidSettings() {
        for (String url : new String[] {"", "127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http:// "}) {
            assertThrows(IllegalArgumentException.class, () -> Client.builder().url(url).build(), url);
        }
        assertThrows(IllegalArgumentException.class, () -> Client.builder().retries(-1).build());
        assertThrows(IllegalArgumentException.class, () -> Client.builder().timeout(Duration.ZERO).build());
    }

    private static Weights init(ScriptedService service) {
        return builderFor(service).build().init(Request.of(2));
    }

    private static Client.Builder builderFor(ScriptedService service) {
        return Client.builder().url(service.url() + "/").timeout(Duration.ofSeconds(30));
    }

    private static String ok(String headers, String body) {
        return "HTTP/1.1 200 OK\r\nContent-Length: 8\r\n" + METADATA + headers + "\r\n" + body;
    }

    private static String part(String range, String etag, String body) {
        String headers = "Content-Length: " + body.length() + "\r\nContent-Range: " + range + "\r\nETag: " + etag + "\r\n";
        return "HTTP/1.1 206 Partial Content\r\n" + headers + METADATA + "\r\n" + body;
    }
}
