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
	if _, line := s.find(field); line > 0 {
		return s.document.at(line)
	}
	return s.Position
}

// find follows a field's path as far as there is anything: its node, which is nil if
// it is not there, and the line of the last step that is; 0 for none.
func (s Source) find(field string) (*yaml.Node, int) {
	at, line := s.root(), 0
	path := field
	if s.path != "" {
		path = s.path + "." + field
	}
	for _, match := range step.FindAllStringSubmatch(path, -1) {
		if at == nil {
			return nil, line
		}
		next, there := child(at, match[1], match[2])
		if at = next; next != nil {
			line = there
		}
	}
	return at, line
}

// nodes are those of a document that has many objects, read once.
type nodes struct {
	once sync.Once
	root *yaml.Node
}

// root is the topmost node of the document; nil if there is none. That of a lone
// object is not kept: it takes far more memory than its text.
func (s Source) root() *yaml.Node {
	if s.path == "" || s.document.nodes == nil {
		return s.document.parse()
	}
	s.document.nodes.once.Do(func() { s.document.nodes.root = s.document.parse() })
	return s.document.nodes.root
}

// parse is the topmost node of the document; nil if there is none.
func (d Document) parse() *yaml.Node {
	var root yaml.Node
	if yaml.Unmarshal(d.text, &root) != nil || len(root.Content) == 0 {
		return nil
	}
	return root.Content[0]
}

// scalar is what a field of the object has been written as, and whether in quotes;
// not ok if the field is not there, or no scalar.
func (s Source) scalar(field string) (text string, quoted, ok bool) {
	if s.document.text == nil {
		return "", false, false
	}
	node, _ := s.find(field)
	if node == nil || node.Kind != yaml.ScalarNode {
		return "", false, false
	}
	const quotes = yaml.SingleQuotedStyle | yaml.DoubleQuotedStyle | yaml.LiteralStyle | yaml.FoldedStyle
	return node.Value, node.Style&quotes != 0, true
}

// child finds a field, or an element by its index or key, and its line. A field that
// comes by a merge key is where that is from.
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
		for i := 0; i+1 < len(of.Content); i += 2 {
			if of.Content[i].Value != "<<" {
				continue
			}
			merged := []*yaml.Node{of.Content[i+1]}
			if merged[0].Kind == yaml.SequenceNode {
				merged = merged[0].Content
			}
			for _, from := range merged {
				if found, line := child(from, key, name); found != nil {
					return found, line
				}
			}
		}
	}
	return nil, 0
}
