package org.weightinit;

import static java.nio.charset.StandardCharsets.ISO_8859_1;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.CompletableFuture;

/**
 * A server that sends scripted responses, one for each connection, and records the request line and headers of each request. After a
 * response that ends with "…" it keeps the connection open.
 */
final class ScriptedService implements AutoCloseable {
    final List<String> requests = Collections.synchronizedList(new ArrayList<>());
    private final ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    private final CompletableFuture<Void> closed = new CompletableFuture<>();
    private final List<String> responses;

    ScriptedService(String... responses) throws IOException {
        this.responses = List.of(responses);
        var thread = new Thread(this::serve, "scripted service");
        thread.setDaemon(true);
        thread.start();
    }

    String url() {
        return "http://127.0.0.1:" + listener.getLocalPort();
    }

    private void serve() {
        for (String response : responses) {
            try (Socket connection = listener.accept()) {
                requests.add(readRequest(connection));
                connection.getOutputStream().write(response.replace("…", "").getBytes(ISO_8859_1));
                if (response.endsWith("…")) {
                    closed.join();
                }
            } catch (IOException disconnected) {
                return; // the test closed the service, or the client closed the connection
            }
        }
    }

    private static String readRequest(Socket connection) throws IOException {
        var reader = new BufferedReader(new InputStreamReader(connection.getInputStream(), ISO_8859_1));
        var head = new StringBuilder();
        int bodyLength = 0;
        for (String line = reader.readLine(); !line.isEmpty(); line = reader.readLine()) {
            head.append(line).append('\n');
            bodyLength = line.startsWith("Content-Length: ") ? Integer.parseInt(line.substring(16)) : bodyLength;
        }
        while (bodyLength-- > 0) {
            reader.read();
        }
        return head.toString();
    }

    @Override
    public void close() throws IOException {
        closed.complete(null);
        listener.close();
    }
}
