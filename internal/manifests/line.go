package manifests

import (
	"regexp"
	"strconv"
	"sync"

	"go.yaml.in/yaml/v3"
)

// step is one step of a field's path: .name, [index] or [key].
var step = regexp.MustCompile(`\[([^\]]+)\]|([^.\[\]]+)`)

// At is where a field of the object is, such as spec.subdomain.host; where the
// nearest field above it is, if it is not there.
func (s Source) At(field string) Position {
	if s.document.built || s.document.text == nil {
		return s.Position
	}
	at := s.root()
	if at == nil {
		return s.Position
	}
	position := s.Position
	path := field
	if s.path != "" {
		path = s.path + "." + field
	}
	for _, match := range step.FindAllStringSubmatch(path, -1) {
		var line int
		if at, line = child(at, match[1], match[2]); at == nil {
			break
		}
		position = s.document.at(line)
	}
	return position
}

// nodes are those of a document that has many objects, read once.
type nodes struct {
	once sync.Once
	root *yaml.Node
}

// root is the topmost node of the document; nil if there is none. That of a lone
// object is not kept: it takes far more memory than its text.
func (s Source) root() *yaml.Node {
	read := func() *yaml.Node {
		var root yaml.Node
		if yaml.Unmarshal(s.document.text, &root) != nil || len(root.Content) == 0 {
			return nil
		}
		return root.Content[0]
	}
	if s.path == "" || s.document.nodes == nil {
		return read()
	}
	s.document.nodes.once.Do(func() { s.document.nodes.root = read() })
	return s.document.nodes.root
}

// child finds a field, or an element by its index or key, and its line.
func child(of *yaml.Node, key, name string) (*yaml.Node, int) {
	if of.Kind == yaml.AliasNode {
		of = of.Alias
	}
	switch of.Kind {
	case yaml.SequenceNode:
		if i, err := strconv.Atoi(key); err == nil && i >= 0 && i < len(of.Content) {
			return of.Content[i], of.Content[i].Line
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(of.Content); i += 2 {
			if text := of.Content[i].Value; text == name || text == key {
				return of.Content[i+1], of.Content[i].Line
			}
		}
	}
	return nil, 0
}
