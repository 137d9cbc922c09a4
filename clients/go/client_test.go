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

func TestInitReturnsTheGoldenValues(t *testing.T) {
	reportFeature(t, "golden")
	client := newClient(t, stage.URL)
	if len(stage.Golden) == 0 {
		t.Fatal("the stage has no golden requests")
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
			t.Errorf("%v: first values %v", row.Request, first)
		}
		if sum := digest(t, tensor); sum != row.Answer.SHA256 {
			t.Errorf("%v: SHA-256 %s", row.Request, sum)
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

func TestInitSendsEveryField(t *testing.T) {
	client := newClient(t, stage.URL)
	tensor := mustInit(t, client, weightinit.Request{
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
	if scalar := mustInit(t, client, weightinit.Request{Shape: []int{}, Scheme: "ones"}); len(scalar.Shape) != 0 || scalar.Float32()[0] != 1 {
		t.Errorf("scalar: %v %v", scalar.Shape, scalar.Float32())
	}
	packed := mustInit(t, client, weightinit.Request{Shape: []int{12, 4}, Packed: []int{4, 4, 4}, Axes: "oi", Scheme: "xavier_uniform"})
	if packed.Metadata.FanOut != 4 {
		t.Errorf("packed: %s", packed.Metadata.Raw)
	}
	if _, err := client.Init(ctx, weightinit.Request{Scheme: "ones"}); asError(t, err).Errors[0].Field != "shape" {
		t.Errorf("without a shape: %v", err)
	}
	notJSON := weightinit.Request{Extra: map[string]any{"stddev": math.NaN()}}
	if _, err := client.Init(ctx, notJSON); asError(t, err).Title != "Invalid Request" {
		t.Errorf("a value that JSON cannot represent: %v", err)
	}
}

func TestDTypesHoldTheSameValues(t *testing.T) {
	reportFeature(t, "wide")
	client := newClient(t, stage.URL)
	request := func(dtype weightinit.DType) *weightinit.Tensor {
		return mustInit(t, client, weightinit.Request{Shape: []int{64, 64}, Activation: "relu", Seed: weightinit.Seed(7), DType: dtype})
	}
	f32, f64, f16, bf16 := request(weightinit.Float32), request(weightinit.Float64), request(weightinit.Float16), request(weightinit.BFloat16)
	if f32.Bits() != nil || f64.Bits() != nil {
		t.Error("Bits is not nil for float32 or float64")
	}
	f64Rounded, f32Widened, f16Values, bf16Values := f64.Float32(), f32.Float64(), f16.Float32(), bf16.Float32()
	for i, value := range f32.Float32() {
		if math.Abs(f64.Float64()[i]-float64(value)) > 1e-6*math.Abs(float64(value))+1e-8 || f32Widened[i] != float64(value) ||
			f64Rounded[i] != float32(f64.Float64()[i]) {
			t.Fatalf("float64 at %d: %v; float32 is %v", i, f64.Float64()[i], value)
		}
		if expected := halfValue(f16.Bits()[i]); float64(f16Values[i]) != expected || math.Abs(expected-float64(value)) > halfUlp(expected) {
			t.Fatalf("float16 at %d: %v (%#x); float32 is %v", i, f16Values[i], f16.Bits()[i], value)
		}
		bits := math.Float32bits(value)
		nearest := (bits + 0x7fff + bits>>16&1) &^ 0xffff // round f16 to even
		if math.Float32bits(bf16Values[i]) != nearest || uint32(bf16.Bits()[i]) != nearest>>16 {
			t.Fatalf("bfloat16 at %d: %v (%#x); float32 is %v", i, bf16Values[i], bf16.Bits()[i], value)
		}
	}
}

// halfValue returns the value of a finite float16 by its definition.
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

// halfUlp returns half the distance between a float16 and the next one.
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
	reportFeature(t, "seed")
	client := newClient(t, stage.URL)
	const largest = math.MaxUint64
	tested := false
	for _, row := range stage.Golden {
		if row.Request["seed"] != fmt.Sprint(uint64(largest)) {
			continue
		}
		tested = true
		tensor := mustInit(t, client, weightinit.Request{Extra: without(without(row.Request, "format"), "seed"), Seed: weightinit.Seed(largest)})
		if digest(t, tensor) != row.Answer.SHA256 || tensor.Seed() != largest || tensor.Metadata.Seed != largest {
			t.Errorf("%v: seed %d, SHA-256 %s", row.Request, tensor.Seed(), digest(t, tensor))
		}
	}
	if !tested {
		t.Error("no golden request uses the largest seed")
	}
	first := mustInit(t, client, weightinit.Request{Shape: []int{5, 4}, Scheme: "normal"})
	again := mustInit(t, client, weightinit.Request{Shape: []int{5, 4}, Scheme: "normal", Seed: weightinit.Seed(first.Seed())})
	if !reflect.DeepEqual(first.Float32(), again.Float32()) || first.Seed() != again.Seed() {
		t.Errorf("seed %d does not reproduce the values", first.Seed())
	}
}

func TestASliceEqualsThatPartOfTheWholeTensor(t *testing.T) {
	reportFeature(t, "slice")
	client := newClient(t, stage.URL)
	request := weightinit.Request{Shape: []int{64, 64}, Activation: "tanh", Seed: weightinit.Seed(7)}
	whole := mustInit(t, client, request)
	expected := []float32{}
	for row := 10; row < 20; row++ {
		for column := 63; column >= 0; column -= 3 {
			expected = append(expected, whole.Float32()[row*64+column])
		}
	}
	request.Slice = "10:20, ::-3"
	part := mustInit(t, client, request)
	if !reflect.DeepEqual(part.Shape, []int{10, 22}) || !reflect.DeepEqual(part.Float32(), expected) {
		t.Errorf("%v %v", part.Shape, part.Float32())
	}
}

func TestRecommendSchemesAndActivations(t *testing.T) {
	reportFeature(t, "advice")
	client := newClient(t, stage.URL)
	advice, err := client.Recommend(ctx, weightinit.RecommendRequest{Activation: "relu", FanIn: 784})
	must(t, err)
	if advice.Scheme != "he_normal" || math.Abs(*advice.StdDev-math.Sqrt(2.0/784)) > 1e-6 ||
		advice.Reason == "" || len(advice.Alternatives) == 0 {
		t.Errorf("%s", advice.Raw)
	}
	withMap, err := client.Recommend(ctx, weightinit.RecommendRequest{
		Activation: map[string]any{"name": "leaky_relu", "negative_slope": 0.2}, Distribution: "uniform", FanOut: 3,
	})
	must(t, err)
	withExtra, err := client.Recommend(ctx, weightinit.RecommendRequest{
		Activation: "leaky_relu", Distribution: "uniform", FanOut: 3, Extra: map[string]any{"negative_slope": 0.2},
	})
	must(t, err)
	if withMap.Distribution != "uniform" || !reflect.DeepEqual(withMap.Gain, withExtra.Gain) {
		t.Errorf("%s\n%s", withMap.Raw, withExtra.Raw)
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

func TestDownloadWritesTheGoldenFiles(t *testing.T) {
	reportFeature(t, "download")
	client := newClient(t, stage.URL)
	rawTested := false
	for _, row := range stage.Golden {
		format := row.Request["format"].(string)
		if format == "raw" && rawTested {
			continue
		}
		rawTested = rawTested || format == "raw"
		folder := t.TempDir()
		name := "w." + strings.Replace(format, "raw", "bin", 1)
		path := filepath.Join(folder, name)
		metadata, err := client.Download(ctx, path, weightinit.Request{Extra: without(row.Request, "format")})
		must(t, err)
		if fileDigest(t, path) != row.Answer.FileSHA256 || metadata.DType != row.Answer.DType {
			t.Errorf("%v: SHA-256 %s, %s", row.Request, fileDigest(t, path), metadata.Raw)
		}
		if files := listFiles(t, folder); len(files) != 1 || files[0] != name {
			t.Errorf("the folder contains %v", files)
		}
	}
	if !rawTested {
		t.Error("no golden request has the format raw")
	}
}

func TestAFailedDownloadLeavesNoFile(t *testing.T) {
	client := newClient(t, stage.URL)
	folder := t.TempDir()
	request := weightinit.Request{Shape: []int{2, 3}, Scheme: "ones"}
	refused := request
	refused.Scheme = "he_norml"
	_, err := client.Download(ctx, filepath.Join(folder, "w.npy"), refused)
	asError(t, err)
	_, err = client.Download(ctx, filepath.Join(folder, "w.parquet"), request)
	asError(t, err)
	if files := listFiles(t, folder); len(files) != 0 {
		t.Errorf("the folder contains %v", files)
	}
	if _, err := client.Download(ctx, folder, request); err == nil || len(listFiles(t, folder)) != 0 {
		t.Errorf("path of a folder: %v", err)
	}
	if _, err := client.Download(ctx, filepath.Join(folder, "none", "w.npy"), request); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing folder: %v", err)
	}
}

func TestDownloadUsesTheRequestedFormat(t *testing.T) {
	client := newClient(t, stage.URL)
	path := filepath.Join(t.TempDir(), "w.weights")
	for name, request := range map[string]weightinit.Request{
		"field": {Shape: []int{2, 3}, Scheme: "ones", Format: "raw"},
		"extra": {Shape: []int{2, 3}, Scheme: "ones", Format: "npy", Extra: map[string]any{"format": "raw"}},
	} {
		_, err := client.Download(ctx, path, request)
		must(t, err)
		if info, err := os.Stat(path); err != nil || info.Size() != 24 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
}

func TestErrorNamesTheInvalidField(t *testing.T) {
	reportFeature(t, "error")
	_, err := newClient(t, stage.URL).Init(ctx, weightinit.Request{Shape: []int{2, 3}, Scheme: "he_norml"})
	problem := asError(t, err)
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

func TestSendsTheAPIKey(t *testing.T) {
	reportFeature(t, "key")
	request := weightinit.Request{Shape: []int{2, 3}, Scheme: "ones"}
	mustInit(t, newClient(t, stage.KeyedURL, weightinit.WithAPIKey(stage.Key)), request)
	t.Setenv("WEIGHT_INIT_API_KEY", stage.Key)
	mustInit(t, newClient(t, stage.KeyedURL), request)
	_, err := newClient(t, stage.KeyedURL, weightinit.WithAPIKey("")).Init(ctx, request)
	if problem := asError(t, err); problem.Status != http.StatusUnauthorized {
		t.Errorf("without a key: %+v", problem)
	}
}

func TestReadsTheURLFromTheEnvironment(t *testing.T) {
	t.Setenv("WEIGHT_INIT_URL", stage.URL+"/")
	client := weightinit.NewClient()
	defer client.Close()
	mustInit(t, client, weightinit.Request{Shape: []int{1, 2}, Scheme: "ones"})
}

func TestRetriesAfterTooManyRequests(t *testing.T) {
	reportFeature(t, "retry")
	patient := newClient(t, stage.LimitedURL)
	for i := 0; i < 3; i++ {
		_, err := patient.Schemes(ctx)
		must(t, err)
	}
	impatient := newClient(t, stage.LimitedURL, weightinit.WithRetries(0))
	var err error
	for i := 0; err == nil && i < 100; i++ {
		_, err = impatient.Schemes(ctx)
	}
	if problem := asError(t, err); problem.Status != http.StatusTooManyRequests {
		t.Errorf("%+v", problem)
	}
}

func TestLimitsRetriesOfABusyService(t *testing.T) {
	reportFeature(t, "busy")
	client := newClient(t, stage.BusyURL, weightinit.WithRetries(1))
	start := time.Now()
	_, err := client.Init(ctx, weightinit.Request{Shape: []int{100, 1000}, Scheme: "normal", Seed: weightinit.Seed(7)})
	if problem := asError(t, err); problem.Status != http.StatusServiceUnavailable {
		t.Errorf("%+v", problem)
	}
	if waited := time.Since(start); waited < time.Second {
		t.Errorf("retried after %v, before the requested second", waited)
	}
}

func TestResumesABrokenConnection(t *testing.T) {
	reportFeature(t, "resume")
	request := weightinit.Request{Shape: []int{3000, 500}, Scheme: "normal", Seed: weightinit.Seed(7)}
	expected := mustInit(t, newClient(t, stage.URL), request)
	cut := newClient(t, stage.CuttingURL)
	if tensor := mustInit(t, cut, request); !reflect.DeepEqual(tensor.Float32(), expected.Float32()) {
		t.Error("the values differ")
	}
	folder := t.TempDir()
	path := filepath.Join(folder, "w.bin")
	_, err := cut.Download(ctx, path, request)
	must(t, err)
	if fileDigest(t, path) != digest(t, expected) || len(listFiles(t, folder)) != 1 {
		t.Error("the file differs")
	}
	impatient := newClient(t, stage.CuttingURL, weightinit.WithRetries(0))
	if _, err = impatient.Init(ctx, request); asError(t, err).Status != 0 {
		t.Errorf("without retries: %v", err)
	}
	_, err = impatient.Download(ctx, filepath.Join(folder, "none.bin"), request)
	if asError(t, err).Status != 0 || len(listFiles(t, folder)) != 1 {
		t.Errorf("without retries: %v, and the folder contains %v", err, listFiles(t, folder))
	}
}

func TestGivesUpOnAResponseThatCannotBeResumed(t *testing.T) {
	client := newClient(t, stage.CuttingURL, weightinit.WithRetries(2))
	_, err := client.Init(ctx, weightinit.Request{Shape: []int{3000, 500}, Scheme: "normal"}) // without a seed, each response is different
	if problem := asError(t, err); problem.Title != "Broken Connection" {
		t.Errorf("%+v", problem)
	}
}

func TestTimesOutIfTheServiceHangs(t *testing.T) {
	reportFeature(t, "timeout")
	client := newClient(t, stage.HangingURL, weightinit.WithTimeout(500*time.Millisecond))
	start := time.Now()
	_, err := client.Init(ctx, weightinit.Request{Shape: []int{2, 3}})
	problem := asError(t, err)
	if problem.Status != 0 || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) > 10*time.Second {
		t.Errorf("after %v: %+v", time.Since(start), problem)
	}
	expected := fmt.Sprintf("Received nothing from %s for 0.5 s. Try again, or set a longer timeout.", stage.HangingURL)
	if problem.Detail != expected {
		t.Errorf("%s", problem.Detail)
	}
}

func TestTheContextCancelsEveryWait(t *testing.T) {
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	request := weightinit.Request{Shape: []int{100, 1000}}
	if _, err := newClient(t, stage.HangingURL).Init(short, request); !errors.Is(asError(t, err), context.DeadlineExceeded) {
		t.Errorf("while waiting for a response: %v", err)
	}
	short, cancel = context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	if _, err := newClient(t, stage.BusyURL).Init(short, request); !errors.Is(asError(t, err), context.DeadlineExceeded) {
		t.Errorf("while waiting to retry: %v", err)
	}
}

func TestReportsThatNoWeightInitServiceAnswers(t *testing.T) {
	reportFeature(t, "nobody")
	request := weightinit.Request{Shape: []int{2, 3}}
	_, err := newClient(t, stage.ClosedURL, weightinit.WithRetries(0)).Init(ctx, request)
	problem := asError(t, err)
	if problem.Status != 0 || !strings.HasPrefix(problem.Detail, "No service answers at "+stage.ClosedURL) {
		t.Errorf("%+v", problem)
	}
	foreign := newClient(t, stage.ForeignURL)
	folder := t.TempDir()
	_, initError := foreign.Init(ctx, request)
	_, recommendError := foreign.Recommend(ctx, weightinit.RecommendRequest{Activation: "relu"})
	_, downloadError := foreign.Download(ctx, filepath.Join(folder, "w.npy"), request)
	for name, err := range map[string]error{"init": initError, "recommend": recommendError, "download": downloadError} {
		problem := asError(t, err)
		if !strings.Contains(problem.Detail, "Welcome") ||
			!strings.HasSuffix(problem.Detail, "Check that this is the URL of a weight-init service.") {
			t.Errorf("%s: %+v", name, problem)
		}
	}
	if files := listFiles(t, folder); len(files) != 0 {
		t.Errorf("the folder contains %v", files)
	}
	for _, url := range []string{"127.0.0.1:8000", "ftp://127.0.0.1", "http://", "http://[", ""} {
		if _, err := newClient(t, url).Schemes(ctx); asError(t, err).Title != "Invalid URL" {
			t.Errorf("%q: %v", url, err)
		}
	}
}
