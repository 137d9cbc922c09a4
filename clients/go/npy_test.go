package weightinit_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"weight-init/weightinit"
)

func TestReadNPYFile(t *testing.T) {
	reportFeature(t, "npy")
	if len(stage.NPY) == 0 {
		t.Fatal("the stage has no files")
	}
	for _, row := range stage.NPY {
		tensor, err := weightinit.ReadNPYFile(row.File)
		if row.Refused {
			if problem := asError(t, err); problem.Status != 0 || !strings.HasPrefix(problem.Detail, "Expected ") {
				t.Errorf("%s: %+v", row.File, problem)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", row.File, err)
			continue
		}
		if tensor.DType != row.DType || !reflect.DeepEqual(tensor.Shape, row.Shape) || !reflect.DeepEqual(tensor.Float64(), row.Values) {
			t.Errorf("%s: %s %v %v", row.File, tensor.DType, tensor.Shape, tensor.Float64())
		}
	}
}

func TestReadsADownloadedFile(t *testing.T) {
	client := newClient(t, stage.URL)
	for _, dtype := range []weightinit.DType{weightinit.Float32, weightinit.Float64, weightinit.Float16} {
		request := weightinit.Request{Shape: []int{7, 5}, Activation: "relu", Seed: weightinit.Seed(7), DType: dtype}
		path := filepath.Join(t.TempDir(), "w.npy")
		_, err := client.Download(ctx, path, request)
		must(t, err)
		read, err := weightinit.ReadNPYFile(path)
		must(t, err)
		if digest(t, read) != digest(t, mustInit(t, client, request)) || read.Metadata != nil || read.Seed() != 0 {
			t.Errorf("%s: %v", dtype, read.Float64())
		}
	}
}

func TestReadNPYStopsAtTheEndOfTheArray(t *testing.T) {
	stream := bytes.NewReader([]byte(npy("'<f2'", "False", "(2, 2)") + "\x01\x00\x01\x80\x00\x7c\x00\x3cthe rest"))
	tensor, err := weightinit.ReadNPY(stream)
	must(t, err)
	if !reflect.DeepEqual(tensor.Bits(), []uint16{0x0001, 0x8001, 0x7c00, 0x3c00}) || stream.Len() != len("the rest") {
		t.Errorf("bits %x, and %d bytes left in the stream", tensor.Bits(), stream.Len())
	}
}

func TestRejectsInvalidNPYHeaders(t *testing.T) {
	for _, text := range []string{
		npy("'<f4'", "False", "(1099511627776,)"),
		npy("'<f4'", "False", "(99999999999999999999,)"),
		npy("'<f8'", "False", "(4294967296, 4294967296)"),
		npy("'<i4'", "False", "()") + "\x00\x00\x00\x00",
		npy("[('a', '<f4')]", "False", "()") + "\x00\x00\x00\x00",
		npy("'<f4'", "Maybe", "()") + "\x00\x00\x00\x00",
	} {
		path := filepath.Join(t.TempDir(), "w.npy")
		must(t, os.WriteFile(path, []byte(text), 0o666))
		_, err := weightinit.ReadNPYFile(path)
		asError(t, err)
	}
	if _, err := weightinit.ReadNPYFile(filepath.Join(t.TempDir(), "none.npy")); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

func npy(descr, fortran, shape string) string {
	header := fmt.Sprintf("{'descr': %s, 'fortran_order': %s, 'shape': %s, }\n", descr, fortran, shape)
	return "\x93NUMPY\x01\x00" + string([]byte{byte(len(header)), 0}) + header
}
