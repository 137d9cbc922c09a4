package org.weightinit;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.http.HttpHeaders;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.UUID;

/** Receives a file under a temporary name in the same folder, and renames it when complete. Throws UncheckedIOException on failure. */
final class IncomingFile implements Sink, AutoCloseable {
    private final Path target;
    private final Path temporary;
    private final FileChannel channel;
    private JsonObject metadata;

    IncomingFile(Path target) throws IOException {
        if (Files.isDirectory(target)) {
            throw new FileSystemException(target.toString(), null, "expected the path of a file; received the path of a folder");
        }
        this.target = target;
        temporary = target.resolveSibling("." + target.getFileName() + "." + UUID.randomUUID());
        channel = FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    }

    @Override
    public boolean expects(HttpHeaders headers) {
        return Metadata.isIn(headers);
    }

    @Override
    public void begin(HttpHeaders headers) {
        metadata = Metadata.of(headers);
        try {
            channel.truncate(0);
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    @Override
    public void accept(ByteBuffer part) {
        try {
            while (part.hasRemaining()) {
                channel.write(part);
            }
        } catch (IOException failure) {
            throw new UncheckedIOException(failure);
        }
    }

    /** Renames the complete file to its final name, and returns its metadata. */
    JsonObject commit() throws IOException {
        channel.close();
        Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
        return metadata;
    }

    @Override
    public void close() throws IOException {
        channel.close();
        Files.deleteIfExists(temporary);
    }
}
