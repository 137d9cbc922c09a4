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

// incomingTensor receives a tensor. It allocates all memory at the start and reads into it without a second copy.
type incomingTensor struct {
	tensor *Tensor
	memory []byte
	filled int
}

func (i *incomingTensor) begin(response *http.Response) (int64, error) {
	metadata, err := readMetadata(response)
	if err != nil {
		return 0, err
	}
	size, err := sizeOf(metadata.DType, metadata.Shape)
	if err != nil {
		return 0, inconsistentResponse(response, "the shape and dtype of a tensor", err.Error())
	}
	if announced := response.ContentLength; announced >= 0 && announced != int64(size) {
		expected := fmt.Sprintf("%d bytes of %s %v", size, metadata.DType, metadata.Shape)
		return 0, inconsistentResponse(response, expected, fmt.Sprintf("%d bytes", announced))
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
	// Not errors.Is, because an *Error that wraps io.EOF is a broken connection and not the end of the source.
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return int64(n), err
}

func (i *incomingTensor) finish() *Tensor {
	toHostOrder(i.memory, i.tensor.DType.size(), true)
	return i.tensor
}

// incomingDocument receives a text.
type incomingDocument struct {
	bytes.Buffer
}

func (i *incomingDocument) begin(response *http.Response) (int64, error) {
	i.Reset()
	return response.ContentLength, nil
}

// incomingFile receives a file under a temporary name in the same folder.
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
	// Not os.CreateTemp, which would make the file readable by its owner only.
	file, err := os.OpenFile(filepath.Join(filepath.Dir(path), name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o666)
	if err != nil {
		return nil, err
	}
	return &incomingFile{File: file, path: path}, nil
}

func (i *incomingFile) begin(response *http.Response) (int64, error) {
	metadata, err := readMetadata(response)
	if err != nil {
		return 0, err
	}
	i.metadata = metadata
	if _, err := i.Seek(0, io.SeekStart); err != nil {
		return 0, err
	}
	return response.ContentLength, i.Truncate(0)
}

// commit renames the complete file to its final name.
func (i *incomingFile) commit() error {
	if err := i.Close(); err != nil {
		return err
	}
	return os.Rename(i.Name(), i.path)
}

// discard removes the temporary file. After commit it has no effect: both calls fail, and their errors are ignored.
func (i *incomingFile) discard() {
	i.Close()
	os.Remove(i.Name())
}
