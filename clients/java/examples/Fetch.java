import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import org.weightinit.Client;
import org.weightinit.Request;

/** Fetches 64 MiB at each line of its input, and prints the seconds that it took. */
public class Fetch {
    private static final Request REQUEST = Request.of(4096, 4096).scheme("normal").seed(7);

    public static void main(String[] arguments) throws IOException {
        var client = new Client();
        client.init(REQUEST); // the first is slower: classes are loaded, and nothing is compiled yet
        var lines = new BufferedReader(new InputStreamReader(System.in));
        while (lines.readLine() != null) {
            long start = System.nanoTime();
            client.init(REQUEST);
            System.out.println((System.nanoTime() - start) / 1e9);
        }
    }
}
