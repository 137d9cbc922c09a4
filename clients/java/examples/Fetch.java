import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import org.weightinit.Client;
import org.weightinit.Request;

/** A benchmark: for each line on stdin, it fetches 64 MiB of float32 and prints the elapsed seconds. */
public class Fetch {
    private static final Request REQUEST = Request.of(4096, 4096).scheme("normal").seed(7);

    public static void main(String[] arguments) throws IOException {
        var client = new Client();
        client.init(REQUEST); // warm up: load classes and start the JIT compiler
        var lines = new BufferedReader(new InputStreamReader(System.in));
        while (lines.readLine() != null) {
            long start = System.nanoTime();
            client.init(REQUEST);
            System.out.println((System.nanoTime() - start) / 1e9);
        }
    }
}
