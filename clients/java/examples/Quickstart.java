import java.util.Arrays;
import org.weightinit.Client;
import org.weightinit.Request;
import org.weightinit.Weights;

/** The weight of a layer of 256 units with 784 inputs each, before a ReLU. */
public class Quickstart {
    public static void main(String[] arguments) {
        Weights weights = new Client().init(Request.of(256, 784).activation("relu").seed(7));
        System.out.println(Arrays.toString(weights.shape()) + " " + weights.dtype());
        System.out.println(Arrays.toString(Arrays.copyOf(weights.floats(), 3)));
        System.out.println(weights.metadata().text("scheme") + ", stddev " + weights.metadata().number("stddev"));
        System.out.println(weights.recommended().text("reason"));
    }
}
