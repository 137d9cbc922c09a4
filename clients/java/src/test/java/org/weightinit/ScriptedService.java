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

/** A service that says what it is told to, one answer for each connection, byte by byte, and keeps the heads of the requests. */
final class ScriptedService implements AutoCloseable {
    final List<String> requests = Collections.synchronizedList(new ArrayList<>());
    private final ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
    private final CompletableFuture<Void> closed = new CompletableFuture<>();
    private final List<String> answers;

    ScriptedService(String... answers) throws IOException {
        this.answers = List.of(answers);
        var thread = new Thread(this::serve, "scripted service");
        thread.setDaemon(true);
        thread.start();
    }

    String url() {
        return "http://127.0.0.1:" + listener.getLocalPort();
    }

    private void serve() {
        for (String answer : answers) {
            try (Socket connection = listener.accept()) {
                requests.add(headFrom(connection));
                connection.getOutputStream().write(answer.replace("…", "").getBytes(ISO_8859_1));
                if (answer.endsWith("…")) {
                    closed.join(); // and says nothing more
                }
            } catch (IOException gone) {
                return; // closed, or the client did not want all of it
            }
        }
    }

    private static String headFrom(Socket connection) throws IOException {
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
