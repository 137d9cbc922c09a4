package weightinit

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
)

// incomingTensor is a tensor while its bytes arrive: memory for all of it from the start, and no second copy.
type incomingTensor struct {
	tensor *Tensor
	memory []byte
	filled int
}

func (i *incomingTensor) begin(response *http.Response) (int64, error) {
	metadata, err := metadataIn(response)
	if err != nil {
		return 0, err
	}
	size, err := sizeOf(metadata.DType, metadata.Shape)
	if err != nil {
		return 0, unfitting(response, "the shape and dtype of a tensor", err.Error())
	}
	if announced := response.ContentLength; announced >= 0 && announced != int64(size) {
		expected := fmt.Sprintf("%d bytes of %s %v", size, metadata.DType, metadata.Shape)
		return 0, unfitting(response, expected, fmt.Sprintf("%d of them", announced))
	}
	i.tensor, i.memory = newTensor(metadata.DType, metadata.Shape)
	i.tensor.Metadata = metadata
	i.filled = 0
	return int64(size), nil
}

// ReadFrom fills the memory.
func (i *incomingTensor) ReadFrom(source io.Reader) (int64, error) {
	n, err := io.ReadFull(source, i.memory[i.filled:])
	i.filled += n
	if err == io.EOF || err == io.ErrUnexpectedEOF { // not errors.Is: the end of the source, and not what caused another error
		err = nil
	}
	return int64(n), err
}

func (i *incomingTensor) complete() *Tensor {
	toHost(i.memory, i.tensor.DType.size(), true)
	return i.tensor
}

// incomingDocument is a text while it arrives.
type incomingDocument struct {
	bytes.Buffer
}

func (i *incomingDocument) begin(response *http.Response) (int64, error) {
	i.Reset()
	return response.ContentLength, nil
}

// incomingFile is a file while it arrives: under a temporary name beside its own.
type incomingFile struct {
	*os.File
	path     string
	metadata *Metadata
}

func newIncomingFile(path string) (*incomingFile, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, &os.PathError{Op: "write", Path: path, Err: syscall.EISDIR}
	}
	suffix := make([]byte, 4)
	if _, err := rand.Read(suffix); err != nil {
		return nil, err
	}
	name := fmt.Sprintf(".%s.%x", filepath.Base(path), suffix)
	// Not os.CreateTemp: who may read the file is as with any other.
	file, err := os.OpenFile(filepath.Join(filepath.Dir(path), name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	return &incomingFile{File: file, path: path}, nil
}

func (i *incomingFile) begin(response *http.Response) (int64, error) {
	metadata, err := metadataIn(response)
	if err != nil {
		return 0, err
	}
	i.metadata = metadata
	if _, err := i.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	return response.ContentLength, i.Truncate(0)
}

// keep gives it its name.
func (i *incomingFile) keep() error {
	if err := i.Close(); err != nil {
		return err
	}
	return os.Rename(i.Name(), i.path)
}

// discard removes it. Once it has its own name both lines fail, as they should: there is nothing to close and nothing to remove.
func (i *incomingFile) discard() {
	i.Close()
	os.Remove(i.Name())
}
