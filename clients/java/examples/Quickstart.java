import java.util.Arrays;
import org.weightinit.Client;
import org.weightinit.Request;
import org.weightinit.Weights;

/** Requests the weight of a layer with 784 inputs and 256 ReLU units. */
public class Quickstart {
    public static void main(String[] arguments) {
        Weights weights = new Client().init(Request.of(256, 784).activation("relu").seed(7));
        System.out.println(Arrays.toString(weights.shape()) + " " + weights.dtype());
        System.out.println(Arrays.toString(Arrays.copyOf(weights.floats(), 3)));
        System.out.println(weights.metadata().text("scheme") + ", stddev " + weights.metadata().number("stddev"));
        System.out.println(weights.recommended().text("reason"));
    }
}
