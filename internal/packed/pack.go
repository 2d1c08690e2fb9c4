package packed

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"reflect"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// protobuf is what the generated types of Kubernetes' own kinds have. Unmarshal
// adds to what is there.
type protobuf interface {
	Marshal() ([]byte, error)
	Unmarshal(data []byte) error
}

// packer makes objects small. Those of one tenant are much like those of another,
// so most of each is found in a dictionary of samples.
type packer struct {
	dictionary []byte

	mu     sync.Mutex
	writer *flate.Writer
	buffer bytes.Buffer

	readers sync.Pool
}

// level is the fastest that looks into the dictionary.
const level = 2

// newPacker has a dictionary of some objects.
func newPacker(samples []client.Object) (*packer, error) {
	p := &packer{}
	for _, sample := range samples {
		data, err := encode(sample)
		if err != nil {
			return nil, err
		}
		p.dictionary = append(p.dictionary, data...)
	}
	var err error
	p.writer, err = flate.NewWriterDict(&p.buffer, level, p.dictionary)
	p.readers.New = func() any { return flate.NewReaderDict(bytes.NewReader(nil), p.dictionary) }
	return p, err
}

// encode leaves out what changes with every write, and the status of kinds whose
// status nobody reads, so that what is equal means the same.
func encode(object client.Object) ([]byte, error) {
	object = object.DeepCopyObject().(client.Object)
	object.SetManagedFields(nil)
	object.SetResourceVersion("")
	object.SetGeneration(0)
	switch object := object.(type) {
	case *corev1.Service:
		object.Status = corev1.ServiceStatus{}
	case *corev1.ResourceQuota:
		object.Status = corev1.ResourceQuotaStatus{}
	case *corev1.Namespace:
		object.Status = corev1.NamespaceStatus{}
	}
	message, ok := object.(protobuf)
	if !ok {
		return nil, fmt.Errorf("%T has no protobuf encoding", object)
	}
	return message.Marshal()
}

func (p *packer) pack(object client.Object) (string, error) {
	data, err := encode(object)
	if err != nil {
		return "", err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.buffer.Reset()
	p.writer.Reset(&p.buffer)
	if _, err := p.writer.Write(data); err != nil {
		return "", err
	}
	if err := p.writer.Close(); err != nil {
		return "", err
	}
	return p.buffer.String(), nil
}

// unpack reads what pack made into an object of the same kind, whatever it held.
func (p *packer) unpack(data string, into client.Object) error {
	reader := p.readers.Get().(io.ReadCloser)
	defer p.readers.Put(reader)
	if err := reader.(flate.Resetter).Reset(strings.NewReader(data), p.dictionary); err != nil {
		return err
	}
	plain, err := io.ReadAll(reader)
	if err != nil {
		return err
	}
	reflect.ValueOf(into).Elem().SetZero()
	return into.(protobuf).Unmarshal(plain)
}
