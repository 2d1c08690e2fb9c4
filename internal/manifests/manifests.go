// Package manifests reads Kubernetes objects from files as kubectl does, and
// keeps in mind where each came from.
package manifests

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	yamlv3 "go.yaml.in/yaml/v3"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	kjson "sigs.k8s.io/json"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Input says what to read.
type Input struct {
	// Paths are files and folders; "-" is Stdin. Of a folder, the files that end
	// with .yaml, .yml or .json are read, but no kustomization.
	Paths []string
	// Recursive tells to read what is below the folders, too.
	Recursive bool
	// Kustomization is a folder to build as kustomize does; empty for none.
	Kustomization string
	// Stdin is what "-" stands for.
	Stdin io.Reader
}

// Position is a place in a file. Lines count from 1; 0 stands for the whole file.
type Position struct {
	File string `json:"file"`
	Line int    `json:"line,omitempty"`
}

func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line)
}

// Object is an object and where it was read.
type Object struct {
	*unstructured.Unstructured
	Source
}

// Source is where an object was read.
type Source struct {
	// Position is where the object starts.
	Position
	// Kind and Name are the object's.
	Kind, Name string

	document Document
	// path leads to the object in a list: "items[2]"; empty for a whole document.
	path string
}

// Fault is something that could not be read.
type Fault struct {
	Position
	// Message says what is wrong.
	Message string
}

// ErrNoManifests says that there was nothing to read.
var ErrNoManifests = errors.New("there is no YAML or JSON file")

// Read reads everything, but does not look into the documents. The error is that
// of a path that cannot be read, or wraps ErrNoManifests.
func Read(input Input) ([]Document, error) {
	var documents []Document
	files := 0
	for i, path := range input.Paths {
		same := func(other string) bool { return filepath.Clean(other) == filepath.Clean(path) }
		if slices.ContainsFunc(input.Paths[:i], same) {
			continue
		}
		err := input.files(path, func(name string, data []byte) {
			files++
			documents = append(documents, split(name, data)...)
		})
		if err != nil {
			return nil, err
		}
	}
	if input.Kustomization != "" {
		data, err := build(input.Kustomization)
		if err != nil {
			return nil, err
		}
		files++
		for _, document := range split(input.Kustomization, data) {
			document.built, document.Line = true, 0
			documents = append(documents, document)
		}
	}
	if files == 0 {
		return nil, fmt.Errorf("%w in %s: name the folder that has your manifests, or a file", ErrNoManifests, strings.Join(input.Paths, ", "))
	}
	return documents, nil
}

// files reads the files at a path.
func (input Input) files(path string, add func(name string, data []byte)) error {
	if path == "-" {
		data, err := AtMost(input.Stdin)
		if err != nil {
			return fmt.Errorf("reading standard input: %w", err)
		}
		add("standard input", data)
		return nil
	}
	root := path
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		root += string(filepath.Separator) // which follows a link to a folder
	}
	return filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name != root && (!input.Recursive || strings.HasPrefix(entry.Name(), ".")) {
				return fs.SkipDir
			}
			return nil
		case name != root && !isManifest(entry.Name()):
			return nil
		}
		name = filepath.Clean(name)
		data, err := ReadFile(name)
		if err != nil {
			return err
		}
		add(name, data)
		return nil
	})
}

// MaxFile is how many bytes a file can have.
const MaxFile = 64 << 20

// ReadFile reads a file that a user names, or that is in a folder. It takes regular files, and
// pipes if the shell made them of a command's output; the error is that of others, which may
// never end, and of files that are larger than MaxFile.
func ReadFile(name string) ([]byte, error) {
	// Without O_NONBLOCK, a pipe would have this wait for a writer.
	file, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:gosec // reading what the user names is the point
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	piped := info.Mode()&os.ModeNamedPipe != 0 && (strings.HasPrefix(name, "/dev/") || strings.HasPrefix(name, "/proc/"))
	if !info.Mode().IsRegular() && !piped {
		return nil, fmt.Errorf("%s is not a regular file", name)
	}
	data, err := AtMost(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// AtMost reads all of a file that is not too large.
func AtMost(from io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(from, MaxFile+1))
	if err == nil && len(data) > MaxFile {
		err = fmt.Errorf("it has more than %d MiB: split it into several files", MaxFile>>20)
	}
	return data, err
}

// isManifest reports whether a file of a folder is read.
func isManifest(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)) &&
		name != "kustomization.yaml" && name != "kustomization.yml"
}

// disk is the file system for kustomize, with ReadFile in place of its own.
type disk struct{ filesys.FileSystem }

// ReadFile implements filesys.FileSystem.
func (disk) ReadFile(name string) ([]byte, error) { return ReadFile(name) }

// build runs kustomize on a folder.
func build(folder string) ([]byte, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(disk{filesys.MakeFsOnDisk()}, folder)
	if err != nil {
		return nil, fmt.Errorf("building the kustomization %s: %w", folder, err)
	}
	return built.AsYaml()
}

// Document is one document of a file.
type Document struct {
	Position
	text []byte
	// nodes are those of the text once they were asked for.
	nodes *nodes
	// built tells that kustomize wrote the document, so that it has no line.
	built bool
	// warning is about how the document begins; empty for nothing.
	warning string
	// fault is why the file has no text; empty if it has.
	fault string
}

// Content is what is in a document.
type Content struct {
	// Objects are the one object, or those of a list.
	Objects []Object
	// Faults are what could not be read.
	Faults []Fault
	// Warnings are about what was read, and what other tools read otherwise.
	Warnings []Fault
	// NoObject tells that the document is YAML, but no Kubernetes object.
	NoObject bool
}

// at is the place of a line of the document, which count from 1.
func (d Document) at(line int) Position {
	if d.built {
		return Position{File: d.File}
	}
	return Position{d.File, d.Line + line - 1}
}

// Decode reads what is in the document, as kubectl does.
func (d Document) Decode() Content {
	var content Content
	if d.fault != "" {
		return Content{Faults: []Fault{{d.at(1), d.fault}}}
	}
	if d.warning != "" {
		content.Warnings = append(content.Warnings, Fault{d.at(1), d.warning})
	}
	data := bytes.TrimSpace(d.text)
	if json.Valid(data) {
		strict, _ := kjson.UnmarshalStrict(data, new(any), kjson.DisallowDuplicateFields)
		if len(strict) > 0 {
			content.Warnings = append(content.Warnings, d.duplicates()...)
		}
	} else {
		var err error
		if data, err = yaml.YAMLToJSONStrict(d.text); err != nil {
			// Being strict, it takes a key beside the one of a merged mapping for one that
			// is there twice.
			if data, err = yaml.YAMLToJSON(d.text); err != nil {
				return Content{Faults: []Fault{d.noYAML(err)}}
			}
			content.Warnings = append(content.Warnings, d.duplicates()...)
		}
	}
	switch {
	case string(data) == "null":
		return Content{} // comments only
	case data[0] != '{':
		return Content{NoObject: true} // a list, or a lone text
	}
	object := &unstructured.Unstructured{}
	if err := utiljson.Unmarshal(data, &object.Object); err != nil {
		return Content{Faults: []Fault{{d.start(), "this object cannot be read: " + err.Error()}}}
	}
	if object.GetKind() == "" || object.GetAPIVersion() == "" {
		return d.withoutKind(object.Object)
	}
	d.add(&content, d.object(object, ""))
	return content
}

// noYAML says what the YAML parser says, at the line that it means.
func (d Document) noYAML(err error) Fault {
	message := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n  ")
	line := 1
	if match := lineOf.FindStringSubmatch(message); match != nil {
		line, _ = strconv.Atoi(match[1])
		_, message, _ = strings.Cut(message, ": ")
	}
	return Fault{d.at(line), "this is no YAML: " + message}
}

// lineOf finds the line in what the YAML parser says.
var lineOf = regexp.MustCompile(`line (\d+)`)

// duplicates are warnings of keys that a mapping has twice.
func (d Document) duplicates() []Fault {
	var found []Fault
	var walk func(node *yamlv3.Node)
	walk = func(node *yamlv3.Node) {
		seen := map[string]bool{}
		for i, child := range node.Content {
			if node.Kind == yamlv3.MappingNode && i%2 == 0 && child.Kind == yamlv3.ScalarNode {
				if seen[child.Value] {
					found = append(found, Fault{d.at(child.Line), fmt.Sprintf(
						"the key %q is there twice: kubectl takes the last one, and Flux and kustomize refuse the file: remove one", child.Value)})
				}
				seen[child.Value] = true
			}
			walk(child)
		}
	}
	if root := d.parse(); root != nil {
		walk(root)
	}
	return found
}

// add adds an object to a content; of a list, its items. The items of a typed list
// may leave their kind out, as the API server's own answers do.
func (d Document) add(to *Content, object Object) {
	items, given := object.Object["items"]
	_, err := schema.ParseGroupVersion(object.GetAPIVersion())
	switch {
	case err != nil:
		to.Faults = append(to.Faults, Fault{object.At("apiVersion"), fmt.Sprintf("apiVersion %q is none: write group/version, such as %s", object.GetAPIVersion(), v1alpha1.GroupVersion)})
		return
	case !given: // else kubectl takes it for a list, whatever its kind
		if faults := object.metadataFaults(); len(faults) > 0 {
			to.Faults = append(to.Faults, faults...)
			return
		}
		to.Objects = append(to.Objects, object)
		return
	}
	list, ok := items.([]any)
	if !ok && items != nil {
		to.Faults = append(to.Faults, Fault{object.At("items"), "items of a list is no list: write - before each"})
	}
	if object.path != "" {
		to.Warnings = append(to.Warnings, Fault{object.At(""), "kubectl refuses a list in a list: write its items into the outer one"})
	}
	kind := strings.TrimSuffix(object.Kind, "List")
	for i, item := range list {
		fields, _ := item.(map[string]any)
		path := strings.TrimPrefix(fmt.Sprintf("%s.items[%d]", object.path, i), ".")
		_, hasKind := fields["kind"]
		if _, hasVersion := fields["apiVersion"]; !hasKind && !hasVersion && kind != "" && fields != nil {
			fields["apiVersion"], fields["kind"] = object.GetAPIVersion(), kind
		}
		child := d.object(&unstructured.Unstructured{Object: fields}, path)
		child.document.nodes = object.document.nodes
		if child.Kind == "" || child.GetAPIVersion() == "" {
			to.Faults = append(to.Faults, Fault{child.At(""), path + " has no apiVersion and kind: write both"})
			continue
		}
		d.add(to, child)
	}
}

// metadataFaults are what is no text in an object's metadata, and must be.
func (o Object) metadataFaults() []Fault {
	metadata, ok := o.Object["metadata"].(map[string]any)
	if !ok {
		if o.Object["metadata"] == nil {
			return nil
		}
		return []Fault{{o.At("metadata"), "metadata must be a mapping: write metadata: {name: …}"}}
	}
	var faults []Fault
	check := func(path string, value any) {
		if _, ok := value.(string); !ok && value != nil {
			faults = append(faults, Fault{o.At(path), path + " must be a string" + o.QuoteHint(path, kindOf(value))})
		}
	}
	for _, field := range []string{"name", "generateName", "namespace"} {
		check("metadata."+field, metadata[field])
	}
	for _, field := range []string{"labels", "annotations"} {
		texts, ok := metadata[field].(map[string]any)
		if !ok && metadata[field] != nil {
			faults = append(faults, Fault{o.At("metadata." + field), "metadata." + field + " must be a mapping of strings"})
		}
		for _, key := range slices.Sorted(maps.Keys(texts)) {
			check(fmt.Sprintf("metadata.%s[%s]", field, key), texts[key])
		}
	}
	return faults
}

// QuoteHint says what to do about a field that must be a string and is of another
// type, as the API server names types, for want of quotes, as the end of a sentence;
// empty if quotes are not what it lacks.
func (s Source) QuoteHint(field, kind string) string {
	text, quoted, ok := s.scalar(field)
	if !ok || quoted {
		return ""
	}
	switch kind {
	case "boolean":
		return fmt.Sprintf(": %s without quotes is a boolean, so write %q", text, text)
	case "number", "integer":
		return fmt.Sprintf(": %s without quotes is a number, so write %q", text, text)
	}
	return ""
}

// kindOf is the type of a value as the API server names it; empty for others than
// those that quotes tell from a string.
func kindOf(value any) string {
	switch value.(type) {
	case bool:
		return "boolean"
	case int64, float64:
		return "number"
	}
	return ""
}

func (d Document) object(object *unstructured.Unstructured, path string) Object {
	if d.nodes == nil {
		d.nodes = &nodes{}
	}
	return Object{object, Source{d.start(), object.GetKind(), object.GetName(), d, path}}
}

// start is where the first line of the document is that says something.
func (d Document) start() Position {
	line := 1
	for text := range bytes.Lines(d.text) {
		if text = bytes.TrimSpace(text); len(text) > 0 && text[0] != '#' {
			break
		}
		line++
	}
	return d.at(line)
}

// withoutKind tells an object whose kind was forgotten from a file of another
// sort, such as the values of a chart.
func (d Document) withoutKind(fields map[string]any) Content {
	for _, telling := range []string{"apiVersion", "kind", "metadata", "spec"} {
		if _, there := fields[telling]; there {
			return Content{Faults: []Fault{{d.start(), fmt.Sprintf(
				"this object has no apiVersion or no kind: write both, such as apiVersion: %s and kind: Partner", v1alpha1.GroupVersion)}}}
		}
	}
	return Content{NoObject: true}
}

// split takes a file apart: at the lines that YAML has for it, and where one JSON
// object follows another.
func split(name string, data []byte) []Document {
	data, err := Text(data)
	if err != nil {
		document := Document{Position: Position{name, 1}, fault: err.Error()}
		if encoding, ok := errors.AsType[*NotUTF8](err); ok {
			document.Line = encoding.Line
		}
		return []Document{document}
	}
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '{' {
		if documents := splitJSON(name, data); documents != nil {
			return documents
		}
	}
	var documents []Document
	start, startLine, offset, line, warning := 0, 1, 0, 1, ""
	end := func(upTo int) {
		if text := data[start:upTo]; len(bytes.TrimSpace(text)) > 0 {
			documents = append(documents, Document{Position: Position{name, startLine}, text: text, warning: warning})
		}
	}
	for text := range bytes.Lines(data) {
		if marker, found := boundary(text); found {
			end(offset)
			start, startLine, warning = offset+len(text), line+1, ""
			if rest := bytes.TrimSpace(text[marker:]); len(rest) > 0 && rest[0] != '#' {
				start, startLine = offset+marker, line
				warning = "kubectl refuses a file with anything but a comment behind three hyphens: begin this document in the next line"
			} else if text[0] == '.' {
				warning = "kubectl ignores what follows three dots: write three hyphens before this document"
			}
		}
		offset += len(text)
		line++
	}
	end(len(data))
	return documents
}

// boundary reports whether a line ends a document, and how much of it is no part of
// the next one.
func boundary(line []byte) (marker int, found bool) {
	if trimmed := bytes.TrimRight(line, " \t\r\n"); bytes.Equal(trimmed, []byte("...")) {
		return len(trimmed), true
	}
	rest, found := bytes.CutPrefix(line, []byte("---"))
	return 3, found && (len(rest) == 0 || bytes.ContainsRune([]byte(" \t\r\n"), rune(rest[0])))
}

// splitJSON takes JSON objects apart; nil if that is not what they are.
func splitJSON(name string, data []byte) []Document {
	var documents []Document
	decoder := json.NewDecoder(bytes.NewReader(data))
	for {
		before := decoder.InputOffset()
		var object json.RawMessage
		switch err := decoder.Decode(&object); {
		case errors.Is(err, io.EOF):
			return documents
		case err != nil:
			return nil // YAML in braces, or broken
		}
		line := 1 + bytes.Count(data[:before], []byte("\n"))
		documents = append(documents, Document{Position: Position{name, line}, text: data[before:decoder.InputOffset()]})
	}
}
