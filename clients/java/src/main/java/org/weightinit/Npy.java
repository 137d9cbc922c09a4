package org.weightinit;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static java.nio.charset.StandardCharsets.UTF_8;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.LongStream;

/** Reads NumPy's .npy files, versions 1, 2 and 3. */
public final class Npy {
    private static final String MAGIC = "\u0093NUMPY";
    private static final int PREFIX_BYTES = 8; // the magic string and the version
    private static final Map<Integer, Integer> LENGTH_BYTES = Map.of(1, 2, 2, 4, 3, 4);
    private static final int BLOCK_BYTES = 1 << 20;
    private static final Pattern DESCR = Pattern.compile("['\"]descr['\"]\\s*:\\s*['\"]([<>=|]?)f([248])['\"]");
    private static final Pattern FORTRAN = Pattern.compile("['\"]fortran_order['\"]\\s*:\\s*(True|False)");
    private static final Pattern DIGITS = Pattern.compile("\\d{1,18}");
    private static final Pattern SHAPE = Pattern.compile("['\"]shape['\"]\\s*:\\s*\\([\\d\\s,L]*\\)");

    private final Path path;
    private final FileChannel channel;

    private Npy(Path path, FileChannel channel) {
        this.path = path;
        this.channel = channel;
    }

    /**
     * Reads a .npy file of float32, float64 or float16, in either byte order, in C or Fortran order, for example from {@link
     * Client#download} or NumPy. The returned values are in C order.
     *
     * @param path the file
     * @return its values and shape
     * @throws IOException if the file cannot be read
     * @throws WeightInitException if the file has another format or is incomplete
     */
    public static Tensor read(Path path) throws IOException {
        try (var channel = FileChannel.open(path)) {
            return new Npy(path, channel).tensor();
        }
    }

    private Tensor tensor() throws IOException {
        String header = header();
        Matcher descr = find(DESCR, header);
        long[] shape = DIGITS.matcher(find(SHAPE, header).group()).results().mapToLong(digits -> Long.parseLong(digits.group())).toArray();
        ByteOrder order = switch (descr.group(1)) {
            case "<" -> ByteOrder.LITTLE_ENDIAN;
            case ">" -> ByteOrder.BIG_ENDIAN;
            default -> ByteOrder.nativeOrder();
        };
        Elements elements = Elements.of("float" + 8 * Integer.parseInt(descr.group(2)), Shapes.count(shape), order);
        fill(elements);
        boolean fortran = find(FORTRAN, header).group(1).equals("True") && shape.length > 1;
        return new Tensor(shape, fortran ? elements.toCOrder(LongStream.of(shape).mapToInt(Math::toIntExact).toArray()) : elements);
    }

    private String header() throws IOException {
        String prefix = ISO_8859_1.decode(bytes(PREFIX_BYTES, "the magic string of .npy")).toString();
        if (!prefix.startsWith(MAGIC)) {
            throw invalid("the magic string of .npy", "something else");
        }
        int version = prefix.charAt(MAGIC.length());
        Integer lengthBytes = LENGTH_BYTES.get(version);
        if (lengthBytes == null) {
            throw invalid("version 1, 2 or 3", "version " + version);
        }
        ByteBuffer length = bytes(lengthBytes, "a header").order(ByteOrder.LITTLE_ENDIAN);
        long headerBytes = lengthBytes == Short.BYTES ? Short.toUnsignedLong(length.getShort()) : Integer.toUnsignedLong(length.getInt());
        return UTF_8.decode(bytes(headerBytes, "a header of " + headerBytes + " bytes")).toString();
    }

    private Matcher find(Pattern pattern, String header) {
        Matcher matcher = pattern.matcher(header);
        if (!matcher.find()) {
            throw invalid("a header of float32, float64 or float16 values", header.strip());
        }
        return matcher;
    }

    private void fill(Elements elements) throws IOException {
        long remaining = (long) elements.length() * elements.itemsize();
        checkRemaining(remaining, remaining + " bytes of values");
        var block = ByteBuffer.allocateDirect((int) Math.min(remaining, BLOCK_BYTES));
        while (remaining > 0) {
            block.clear().limit((int) Math.min(remaining, block.capacity()));
            remaining -= block.remaining();
            elements.accept(readFully(block));
        }
    }

    private ByteBuffer bytes(long count, String expected) throws IOException {
        checkRemaining(count, expected);
        return readFully(ByteBuffer.allocate(Math.toIntExact(count)));
    }

    private ByteBuffer readFully(ByteBuffer buffer) throws IOException {
        while (buffer.hasRemaining()) {
            if (channel.read(buffer) < 0) {
                throw new EOFException(path + " was truncated while it was read");
            }
        }
        return buffer.flip();
    }

    private void checkRemaining(long count, String expected) throws IOException {
        long remaining = channel.size() - channel.position();
        if (remaining < count) {
            throw invalid(expected, "the end of the file after " + remaining + " bytes");
        }
    }

    private WeightInitException invalid(String expected, String received) {
        String detail = path + ": expected " + expected + "; received " + received
                + ". Check that it is a complete .npy file of floating-point numbers.";
        return WeightInitException.of("Unreadable File", detail, null);
    }
}
