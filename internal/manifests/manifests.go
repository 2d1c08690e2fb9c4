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
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
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
		data, err := io.ReadAll(input.Stdin)
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
		data, err := os.ReadFile(name) //nolint:gosec // reading what the user names is the point
		if err != nil {
			return err
		}
		add(name, data)
		return nil
	})
}

// isManifest tells whether a file of a folder is read.
func isManifest(name string) bool {
	return slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)) &&
		name != "kustomization.yaml" && name != "kustomization.yml"
}

// build runs kustomize on a folder.
func build(folder string) ([]byte, error) {
	built, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
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
}

// Content is what is in a document.
type Content struct {
	// Objects are the one object, or those of a list.
	Objects []Object
	// Faults are what could not be read.
	Faults []Fault
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

// lineOf finds the line in what the YAML parser says.
var lineOf = regexp.MustCompile(`line (\d+)`)

// Decode reads what is in the document.
func (d Document) Decode() Content {
	data, err := yaml.YAMLToJSONStrict(d.text)
	if err != nil {
		message := strings.TrimPrefix(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n  ")
		line := 1
		if match := lineOf.FindStringSubmatch(message); match != nil {
			line, _ = strconv.Atoi(match[1])
			_, message, _ = strings.Cut(message, ": ")
		}
		return Content{Faults: []Fault{{d.at(line), "this is no YAML: " + message}}}
	}
	if string(data) == "null" {
		return Content{} // comments only
	}
	object := &unstructured.Unstructured{}
	if utiljson.Unmarshal(data, &object.Object) != nil {
		return Content{NoObject: true} // a list, or a lone text
	}
	if object.GetKind() == "" || object.GetAPIVersion() == "" {
		return d.withoutKind(object.Object)
	}
	var content Content
	d.add(&content, d.object(object, ""))
	return content
}

// add adds an object to a content; of a list, its items. The items of a typed list
// may leave their kind out, as the API server's own answers do.
func (d Document) add(to *Content, object Object) {
	kind, isList := strings.CutSuffix(object.Kind, "List")
	items, given := object.Object["items"]
	switch _, err := schema.ParseGroupVersion(object.GetAPIVersion()); {
	case err != nil:
		to.Faults = append(to.Faults, Fault{object.At("apiVersion"), fmt.Sprintf("apiVersion %q is none: write group/version, such as %s", object.GetAPIVersion(), v1alpha1.GroupVersion)})
		return
	case !isList || !given:
		to.Objects = append(to.Objects, object)
		return
	}
	list, ok := items.([]any)
	if !ok && items != nil {
		to.Faults = append(to.Faults, Fault{object.At("items"), "items of a list is no list: write - before each"})
	}
	for i, item := range list {
		fields, _ := item.(map[string]any)
		path := strings.TrimPrefix(fmt.Sprintf("%s.items[%d]", object.path, i), ".")
		if _, has := fields["kind"]; !has && kind != "" && fields != nil {
			fields["apiVersion"], fields["kind"] = object.GetAPIVersion(), kind
		}
		child := d.object(&unstructured.Unstructured{Object: fields}, path)
		if child.Kind == "" || child.GetAPIVersion() == "" {
			to.Faults = append(to.Faults, Fault{child.At(""), path + " has no apiVersion and kind: write both"})
			continue
		}
		child.document.nodes = object.document.nodes
		d.add(to, child)
	}
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
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")) // a mark of UTF-8 that some editors write
	if trimmed := bytes.TrimSpace(data); len(trimmed) > 0 && trimmed[0] == '{' {
		if documents := splitJSON(name, data); documents != nil {
			return documents
		}
	}
	var documents []Document
	start, startLine, offset, line := 0, 1, 0, 1
	end := func(upTo int) {
		if text := data[start:upTo]; len(bytes.TrimSpace(text)) > 0 {
			documents = append(documents, Document{Position: Position{name, startLine}, text: text})
		}
	}
	for text := range bytes.Lines(data) {
		if marker, found := boundary(text); found {
			end(offset)
			// What follows the hyphens in their line is of the document.
			start, startLine = offset+marker, line
		}
		offset += len(text)
		line++
	}
	end(len(data))
	return documents
}

// boundary tells whether a line ends a document, and how much of it is no part of
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
