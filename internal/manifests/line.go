package manifests

import (
	"regexp"
	"strconv"

	"go.yaml.in/yaml/v3"
)

// step is one step of a field's path: .name, [index] or [key].
var step = regexp.MustCompile(`\[([^\]]+)\]|([^.\[\]]+)`)

// At is where a field of the object is, such as spec.subdomain.host; where the
// nearest field above it is, if it is not there.
func (s Source) At(field string) Position {
	if s.document.built {
		return s.Position
	}
	var root yaml.Node
	if yaml.Unmarshal(s.document.text, &root) != nil || len(root.Content) == 0 {
		return s.Position
	}
	position := s.Position
	at := root.Content[0]
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
