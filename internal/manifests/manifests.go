// Package manifests reads Kubernetes objects from files as kubectl does, and
// keeps in mind where each came from.
package manifests

import (
	"bytes"
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
	for _, path := range input.Paths {
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
	return filepath.WalkDir(path, func(name string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir():
			if name != path && (!input.Recursive || strings.HasPrefix(entry.Name(), ".")) {
				return fs.SkipDir
			}
			return nil
		case name != path && !isManifest(entry.Name()):
			return nil
		}
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
	if !object.IsList() {
		return Content{Objects: []Object{d.object(object, "")}}
	}
	var content Content
	items, _, _ := unstructured.NestedSlice(object.Object, "items")
	for i, item := range items {
		fields, _ := item.(map[string]any)
		object := d.object(&unstructured.Unstructured{Object: fields}, fmt.Sprintf("items[%d]", i))
		if object.Kind == "" || object.GetAPIVersion() == "" {
			content.Faults = append(content.Faults, Fault{object.At(""), object.path + " has no apiVersion and kind: write both"})
			continue
		}
		content.Objects = append(content.Objects, object)
	}
	return content
}

func (d Document) object(object *unstructured.Unstructured, path string) Object {
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

// split takes a file apart at the lines of three hyphens. JSON is YAML, but for
// objects one after the other, which only a file of one may have here.
func split(name string, data []byte) []Document {
	var documents []Document
	start, startLine, offset, line := 0, 1, 0, 1
	end := func(upTo int) {
		if text := data[start:upTo]; len(bytes.TrimSpace(text)) > 0 {
			documents = append(documents, Document{Position: Position{name, startLine}, text: text})
		}
	}
	for text := range bytes.Lines(data) {
		if rest, boundary := bytes.CutPrefix(text, []byte("---")); boundary {
			if rest = bytes.TrimSpace(rest); len(rest) == 0 || rest[0] == '#' {
				end(offset)
				start, startLine = offset+len(text), line+1
			}
		}
		offset += len(text)
		line++
	}
	end(len(data))
	return documents
}
