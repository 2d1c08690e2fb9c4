package apply

import (
	"crypto/sha256"
	"encoding/json"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	utilcache "k8s.io/apimachinery/pkg/util/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Answers remember what the API server made of objects that it did not store as they were
// written, since an admission policy changes them: writing them again would change nothing, for
// ever. What somebody changes in such an object is put right all the same.
type Answers struct {
	seen *utilcache.LRUExpireCache
}

const (
	// mostAnswers is how many objects are remembered, some 100 bytes each: all of ten thousand
	// partners. Those beyond are written at each reconcile.
	mostAnswers = 150_000
	// answerLife is for how long: a policy may have gone since.
	answerLife = 12 * time.Hour
)

// NewAnswers remembers nothing yet.
func NewAnswers() *Answers {
	return &Answers{seen: utilcache.NewLRUExpireCache(mostAnswers)}
}

// note remembers what was stored of an object, if that is not what was meant.
func (a *Answers) note(fields map[string]any, stored client.Object) error {
	if a == nil {
		return nil
	}
	same, err := UpToDate(fields, stored)
	if err != nil || same {
		return err
	}
	sum, err := sumOf(fields, stored)
	if err != nil {
		return err
	}
	a.seen.Add(stored.GetUID(), sum, answerLife)
	return nil
}

// stands reports whether an object is what the API server made of the same fields before.
func (a *Answers) stands(fields map[string]any, observed client.Object) (bool, error) {
	if a == nil {
		return false, nil
	}
	seen, there := a.seen.Get(observed.GetUID())
	if !there {
		return false, nil
	}
	sum, err := sumOf(fields, observed)
	return seen == sum, err
}

// sumOf is a digest of what is wanted and of what is there, but for its status and what the API
// server counts.
func sumOf(fields map[string]any, object client.Object) ([sha256.Size]byte, error) {
	current, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return [sha256.Size]byte{}, err
	}
	content := map[string]any{"wanted": fields}
	for key, value := range current {
		if !beside[key] {
			content["is "+key] = value
		}
	}
	// Of the metadata, caches keep what is wanted.
	for _, key := range []string{"labels", "annotations"} {
		wanted, _, _ := unstructured.NestedMap(fields, "metadata", key)
		for name := range wanted {
			content["is "+key+" "+name], _, _ = unstructured.NestedString(current, "metadata", key, name)
		}
	}
	content["owned"] = containsMetadata(current["metadata"], fields["metadata"])
	data, err := json.Marshal(content)
	return sha256.Sum256(data), err
}
