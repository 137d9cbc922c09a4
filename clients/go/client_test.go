package weightinit_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"weight-init/weightinit"
)

var ctx = context.Background()

func TestGoldenRequestsHaveTheirGoldenValues(t *testing.T) {
	shows(t, "golden")
	client := clientOf(t, stage.URL)
	if len(stage.Golden) == 0 {
		t.Fatal("there is no golden request")
	}
	for _, row := range stage.Golden {
		tensor, err := client.Init(ctx, weightinit.Request{Extra: without(row.Request, "format")})
		if err != nil {
			t.Errorf("%v: %v", row.Request, err)
			continue
		}
		if tensor.DType != row.Answer.DType || !reflect.DeepEqual(tensor.Shape, row.Answer.Shape) {
			t.Errorf("%v: %s %v", row.Request, tensor.DType, tensor.Shape)
		}
		if first := tensor.Float64()[:len(row.Answer.First)]; !reflect.DeepEqual(first, row.Answer.First) {
			t.Errorf("%v: the first values are %v", row.Request, first)
		}
		if found := digest(t, tensor); found != row.Answer.SHA256 {
			t.Errorf("%v: SHA-256 %s", row.Request, found)
		}
	}
}

func without(fields map[string]any, name string) map[string]any {
	rest := map[string]any{}
	for field, value := range fields {
		if field != name {
			rest[field] = value
		}
	}
	return rest
}

func TestFieldsAreThoseOfTheService(t *testing.T) {
	client := clientOf(t, stage.URL)
	tensor := tensorOf(t, client, weightinit.Request{
		Shape: []int{3, 3, 4, 8}, Scheme: map[string]any{"name": "he_normal", "mode": "fan_out"}, Activation: "relu",
		Layer: "conv", Groups: 2, FanConvention: "torch", Layout: "keras", DType: weightinit.Float64,
		Seed: weightinit.Seed(0), Name: "conv1", Slice: "0, :", FanIn: 36, FanOut: 72, Extra: map[string]any{"gain": 2},
	})
	metadata := tensor.Metadata
	if !reflect.DeepEqual(tensor.Shape, []int{3, 4, 8}) || tensor.DType != weightinit.Float64 || tensor.Seed() != 0 ||
		metadata.Scheme != "he_normal" || metadata.Name != "conv1" || metadata.Layout != "keras" ||
		metadata.FanIn != 36 || metadata.FanOut != 72 || metadata.FanConvention != "torch" ||
		metadata.Parameters["mode"] != "fan_out" || metadata.Parameters["gain"] != 2.0 {
		t.Errorf("%s", metadata.Raw)
	}
	if scalar := tensorOf(t, client, weightinit.Request{Shape: []int{}, Scheme: "ones"}); len(scalar.Shape) != 0 || scalar.Float32()[0] != 1 {
		t.Errorf("a scalar: %v %v", scalar.Shape, scalar.Float32())
	}
	packed := tensorOf(t, client, weightinit.Request{Shape: []int{12, 4}, Packed: 3, Scheme: "xavier_uniform"})
	if packed.Metadata.FanOut != 4 {
		t.Errorf("packed: %s", packed.Metadata.Raw)
	}
	if _, err := client.Init(ctx, weightinit.Request{Scheme: "ones"}); problemOf(t, err).Errors[0].Field != "shape" {
		t.Errorf("without a shape: %v", err)
	}
	if _, err := client.Init(ctx, weightinit.Request{Extra: map[string]any{"stddev": math.NaN()}}); problemOf(t, err).Title != "Invalid Request" {
		t.Errorf("what JSON cannot say: %v", err)
	}
}

func TestWideAndNarrowTypesHaveTheSameNumbers(t *testing.T) {
	shows(t, "wide")
	client := clientOf(t, stage.URL)
	request := func(dtype weightinit.DType) *weightinit.Tensor {
		return tensorOf(t, client, weightinit.Request{Shape: []int{64, 64}, Activation: "relu", Seed: weightinit.Seed(7), DType: dtype})
	}
	single, double, half, brain := request(weightinit.Float32), request(weightinit.Float64), request(weightinit.Float16), request(weightinit.BFloat16)
	if single.Bits() != nil || double.Bits() != nil {
		t.Error("float32 and float64 have no bits")
	}
	rounded, wide, halves, brains := double.Float32(), single.Float64(), half.Float32(), brain.Float32()
	for i, value := range single.Float32() {
		if math.Abs(double.Float64()[i]-float64(value)) > 1e-6*math.Abs(float64(value))+1e-8 || wide[i] != float64(value) ||
			rounded[i] != float32(double.Float64()[i]) {
			t.Fatalf("float64 at %d: %v, of float32 %v", i, double.Float64()[i], value)
		}
		if expected := halfValue(half.Bits()[i]); float64(halves[i]) != expected || math.Abs(expected-float64(value)) > halfUlp(expected) {
			t.Fatalf("float16 at %d: %v of %#x, of float32 %v", i, halves[i], half.Bits()[i], value)
		}
		bits := math.Float32bits(value)
		nearest := (bits + 0x7fff + bits>>16&1) &^ 0xffff // to even, where two are as near
		if math.Float32bits(brains[i]) != nearest || uint32(brain.Bits()[i]) != nearest>>16 {
			t.Fatalf("bfloat16 at %d: %v of %#x, of float32 %v", i, brains[i], brain.Bits()[i], value)
		}
	}
}

// halfValue is the number that the bits of a finite float16 mean, by the definition.
func halfValue(bits uint16) float64 {
	exponent, fraction := int(bits>>10&0x1f), float64(bits&0x3ff)/1024
	value := math.Ldexp(1+fraction, exponent-15)
	if exponent == 0 {
		value = math.Ldexp(fraction, -14)
	}
	if bits&0x8000 != 0 {
		value = -value
	}
	return value
}

// halfUlp is half the distance between a float16 and the next one.
func halfUlp(value float64) float64 {
	_, exponent := math.Frexp(value)
	return math.Ldexp(1, max(exponent, -13)-12)
}

func max(a, b int) int {
	if a > b {
		return a
	}
	return b
}

func TestSeedsKeepEveryDigit(t *testing.T) {
	shows(t, "seed")
	client := clientOf(t, stage.URL)
	const largest = math.MaxUint64
	found := false
	for _, row := range stage.Golden {
		if row.Request["seed"] != fmt.Sprint(uint64(largest)) {
			continue
		}
		found = true
		tensor := tensorOf(t, client, weightinit.Request{Extra: without(without(row.Request, "format"), "seed"), Seed: weightinit.Seed(largest)})
		if digest(t, tensor) != row.Answer.SHA256 || tensor.Seed() != largest || tensor.Metadata.Seed != largest {
			t.Errorf("%v: seed %d, SHA-256 %s", row.Request, tensor.Seed(), digest(t, tensor))
		}
	}
	if !found {
		t.Error("no golden request has the largest seed")
	}
	fresh := tensorOf(t, client, weightinit.Request{Shape: []int{5, 4}, Scheme: "normal"})
	again := tensorOf(t, client, weightinit.Request{Shape: []int{5, 4}, Scheme: "normal", Seed: weightinit.Seed(fresh.Seed())})
	if !reflect.DeepEqual(fresh.Float32(), again.Float32()) || fresh.Seed() != again.Seed() {
		t.Errorf("the seed %d gives other values again", fresh.Seed())
	}
}

func TestASliceIsThatOfTheWhole(t *testing.T) {
	shows(t, "slice")
	client := clientOf(t, stage.URL)
	request := weightinit.Request{Shape: []int{64, 64}, Activation: "tanh", Seed: weightinit.Seed(7)}
	whole := tensorOf(t, client, request)
	expected := []float32{}
	for row := 10; row < 20; row++ {
		for column := 63; column >= 0; column -= 3 {
			expected = append(expected, whole.Float32()[row*64+column])
		}
	}
	request.Slice = "10:20, ::-3"
	part := tensorOf(t, client, request)
	if !reflect.DeepEqual(part.Shape, []int{10, 22}) || !reflect.DeepEqual(part.Float32(), expected) {
		t.Errorf("%v %v", part.Shape, part.Float32())
	}
}

func TestAdvice(t *testing.T) {
	shows(t, "advice")
	client := clientOf(t, stage.URL)
	found, err := client.Recommend(ctx, weightinit.RecommendRequest{Activation: "relu", FanIn: 784})
	must(t, err)
	if found.Scheme != "he_normal" || math.Abs(*found.StdDev-math.Sqrt(2.0/784)) > 1e-6 || found.Reason == "" || len(found.Alternatives) == 0 {
		t.Errorf("%s", found.Raw)
	}
	sloped, err := client.Recommend(ctx, weightinit.RecommendRequest{
		Activation: map[string]any{"name": "leaky_relu", "negative_slope": 0.2}, Distribution: "uniform", FanOut: 3,
	})
	must(t, err)
	beside, err := client.Recommend(ctx, weightinit.RecommendRequest{
		Activation: "leaky_relu", Distribution: "uniform", FanOut: 3, Extra: map[string]any{"negative_slope": 0.2},
	})
	must(t, err)
	if sloped.Distribution != "uniform" || !reflect.DeepEqual(sloped.Gain, beside.Gain) {
		t.Errorf("%s\n%s", sloped.Raw, beside.Raw)
	}
	schemes, err := client.Schemes(ctx)
	must(t, err)
	activations, err := client.Activations(ctx)
	must(t, err)
	names := map[string]bool{}
	for _, row := range schemes {
		names["scheme "+row.Name] = len(row.Parameters) > 0
	}
	for _, row := range activations {
		names["activation "+row.Name] = row.Recommended != ""
	}
	if !names["scheme he_normal"] || !names["activation relu"] {
		t.Errorf("%v", names)
	}
}

func TestDownloadsAreWholeOrNothing(t *testing.T) {
	shows(t, "download")
	client := clientOf(t, stage.URL)
	raw := false
	for _, row := range stage.Golden {
		format := row.Request["format"].(string)
		if format == "raw" && raw {
			continue
		}
		raw = raw || format == "raw"
		folder := t.TempDir()
		name := "w." + strings.Replace(format, "raw", "bin", 1)
		path := filepath.Join(folder, name)
		metadata, err := client.Download(ctx, path, weightinit.Request{Extra: without(row.Request, "format")})
		must(t, err)
		if fileDigest(t, path) != row.Answer.FileSHA256 || metadata.DType != row.Answer.DType {
			t.Errorf("%v: SHA-256 %s, %s", row.Request, fileDigest(t, path), metadata.Raw)
		}
		if files := filesIn(t, folder); len(files) != 1 || files[0] != name {
			t.Errorf("the folder has %v", files)
		}
	}
	if !raw {
		t.Error("no golden request is raw")
	}
}

func TestADownloadThatFailsLeavesNothing(t *testing.T) {
	client := clientOf(t, stage.URL)
	folder := t.TempDir()
	request := weightinit.Request{Shape: []int{2, 3}, Scheme: "ones"}
	refused := request
	refused.Scheme = "he_norml"
	_, err := client.Download(ctx, filepath.Join(folder, "w.npy"), refused)
	problemOf(t, err)
	_, err = client.Download(ctx, filepath.Join(folder, "w.parquet"), request)
	problemOf(t, err)
	if files := filesIn(t, folder); len(files) != 0 {
		t.Errorf("the folder has %v", files)
	}
	if _, err := client.Download(ctx, folder, request); err == nil || len(filesIn(t, folder)) != 0 {
		t.Errorf("into a folder: %v", err)
	}
	if _, err := client.Download(ctx, filepath.Join(folder, "none", "w.npy"), request); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("into no folder: %v", err)
	}
}

func TestTheFormatOfADownload(t *testing.T) {
	client := clientOf(t, stage.URL)
	path := filepath.Join(t.TempDir(), "w.weights")
	for name, request := range map[string]weightinit.Request{
		"said":  {Shape: []int{2, 3}, Scheme: "ones", Format: "raw"},
		"extra": {Shape: []int{2, 3}, Scheme: "ones", Format: "npy", Extra: map[string]any{"format": "raw"}},
	} {
		_, err := client.Download(ctx, path, request)
		must(t, err)
		if info, err := os.Stat(path); err != nil || info.Size() != 24 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
}

func TestAnErrorSaysWhatIsWrong(t *testing.T) {
	shows(t, "error")
	_, err := clientOf(t, stage.URL).Init(ctx, weightinit.Request{Shape: []int{2, 3}, Scheme: "he_norml"})
	problem := problemOf(t, err)
	if problem.Status != http.StatusUnprocessableEntity || problem.Title == "" || problem.Error() != problem.Detail {
		t.Errorf("%+v", problem)
	}
	if !strings.Contains(problem.Detail, "Did you mean") || !strings.Contains(problem.Detail, "he_normal") {
		t.Errorf("%s", problem.Detail)
	}
	field := problem.Errors[0]
	if field.Field != "scheme" || field.Expected == "" || field.Received == "" || field.Action == "" {
		t.Errorf("%+v", problem.Errors)
	}
}

func TestAKeyIsSent(t *testing.T) {
	shows(t, "key")
	request := weightinit.Request{Shape: []int{2, 3}, Scheme: "ones"}
	tensorOf(t, clientOf(t, stage.KeyedURL, weightinit.WithAPIKey(stage.Key)), request)
	t.Setenv("WEIGHT_INIT_API_KEY", stage.Key)
	tensorOf(t, clientOf(t, stage.KeyedURL), request)
	_, err := clientOf(t, stage.KeyedURL, weightinit.WithAPIKey("")).Init(ctx, request)
	if problem := problemOf(t, err); problem.Status != http.StatusUnauthorized {
		t.Errorf("without a key: %+v", problem)
	}
}

func TestTheURLOfTheEnvironment(t *testing.T) {
	t.Setenv("WEIGHT_INIT_URL", stage.URL+"/")
	client := weightinit.NewClient()
	defer client.Close()
	tensorOf(t, client, weightinit.Request{Shape: []int{1, 2}, Scheme: "ones"})
}

func TestTooManyRequestsAreAskedAgain(t *testing.T) {
	shows(t, "retry")
	patient := clientOf(t, stage.LimitedURL)
	for i := 0; i < 3; i++ {
		_, err := patient.Schemes(ctx)
		must(t, err)
	}
	hasty := clientOf(t, stage.LimitedURL, weightinit.WithRetries(0))
	var err error
	for i := 0; err == nil && i < 100; i++ {
		_, err = hasty.Schemes(ctx)
	}
	if problem := problemOf(t, err); problem.Status != http.StatusTooManyRequests {
		t.Errorf("%+v", problem)
	}
}

func TestABusyServiceIsAskedAgainAndNoMore(t *testing.T) {
	shows(t, "busy")
	client := clientOf(t, stage.BusyURL, weightinit.WithRetries(1))
	start := time.Now()
	_, err := client.Init(ctx, weightinit.Request{Shape: []int{100, 1000}, Scheme: "normal", Seed: weightinit.Seed(7)})
	if problem := problemOf(t, err); problem.Status != http.StatusServiceUnavailable {
		t.Errorf("%+v", problem)
	}
	if waited := time.Since(start); waited < time.Second {
		t.Errorf("it was asked again after %v, and not after the second that it wished", waited)
	}
}

func TestABrokenConnectionIsResumed(t *testing.T) {
	shows(t, "resume")
	request := weightinit.Request{Shape: []int{3000, 500}, Scheme: "normal", Seed: weightinit.Seed(7)}
	expected := tensorOf(t, clientOf(t, stage.URL), request)
	cut := clientOf(t, stage.CuttingURL)
	if tensor := tensorOf(t, cut, request); !reflect.DeepEqual(tensor.Float32(), expected.Float32()) {
		t.Error("the values differ")
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "w.bin")
	_, err := cut.Download(ctx, path, request)
	must(t, err)
	if fileDigest(t, path) != digest(t, expected) || len(filesIn(t, folder)) != 1 {
		t.Error("the file differs")
	}
	impatient := clientOf(t, stage.CuttingURL, weightinit.WithRetries(0))
	if _, err = impatient.Init(ctx, request); problemOf(t, err).Status != 0 {
		t.Errorf("without retries: %v", err)
	}
	if _, err = impatient.Download(ctx, filepath.Join(folder, "none.bin"), request); problemOf(t, err).Status != 0 || len(filesIn(t, folder)) != 1 {
		t.Errorf("without retries: %v, and the folder has %v", err, filesIn(t, folder))
	}
}

func TestWhatCannotBeResumedIsNotAskedForEver(t *testing.T) {
	client := clientOf(t, stage.CuttingURL, weightinit.WithRetries(2))
	_, err := client.Init(ctx, weightinit.Request{Shape: []int{3000, 500}, Scheme: "normal"}) // without a seed it is another each time
	if problem := problemOf(t, err); problem.Title != "Broken Connection" {
		t.Errorf("%+v", problem)
	}
}

func TestAServiceThatHangs(t *testing.T) {
	shows(t, "timeout")
	client := clientOf(t, stage.HangingURL, weightinit.WithTimeout(500*time.Millisecond))
	start := time.Now()
	_, err := client.Init(ctx, weightinit.Request{Shape: []int{2, 3}})
	problem := problemOf(t, err)
	if problem.Status != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) > 10*time.Second {
		t.Errorf("after %v: %+v", time.Since(start), problem)
	}
	if expected := fmt.Sprintf("Nothing came from %s for 0.5 s. Ask again, or give a larger timeout.", stage.HangingURL); problem.Detail != expected {
		t.Errorf("%s", problem.Detail)
	}
}

func TestTheContextEndsEverything(t *testing.T) {
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	request := weightinit.Request{Shape: []int{100, 1000}}
	if _, err := clientOf(t, stage.HangingURL).Init(short, request); !errors.Is(problemOf(t, err), context.DeadlineExceeded) {
		t.Errorf("while it waits for an answer: %v", err)
	}
	short, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if _, err := clientOf(t, stage.BusyURL).Init(short, request); !errors.Is(problemOf(t, err), context.DeadlineExceeded) {
		t.Errorf("while it waits to ask again: %v", err)
	}
}

func TestNobodyAndSomebodyElse(t *testing.T) {
	shows(t, "nobody")
	request := weightinit.Request{Shape: []int{2, 3}}
	_, err := clientOf(t, stage.ClosedURL, weightinit.WithRetries(0)).Init(ctx, request)
	problem := problemOf(t, err)
	if problem.Status != 0 || !strings.HasPrefix(problem.Detail, "No service answers at "+stage.ClosedURL) {
		t.Errorf("%+v", problem)
	}
	foreign := clientOf(t, stage.ForeignURL)
	folder := t.TempDir()
	_, initError := foreign.Init(ctx, request)
	_, recommendError := foreign.Recommend(ctx, weightinit.RecommendRequest{Activation: "relu"})
	_, downloadError := foreign.Download(ctx, filepath.Join(folder, "w.npy"), request)
	for name, err := range map[string]error{"init": initError, "recommend": recommendError, "download": downloadError} {
		problem := problemOf(t, err)
		if !strings.Contains(problem.Detail, "Welcome") || !strings.HasSuffix(problem.Detail, "Is the URL that of a weight-init service?") {
			t.Errorf("%s: %+v", name, problem)
		}
	}
	if files := filesIn(t, folder); len(files) != 0 {
		t.Errorf("the folder has %v", files)
	}
	for _, url := range []string{"127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://[", ""} {
		if _, err := clientOf(t, url).Schemes(ctx); problemOf(t, err).Title != "Invalid URL" {
			t.Errorf("%q: %v", url, err)
		}
	}
}
