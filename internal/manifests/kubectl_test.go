package manifests_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf16"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"k8s.io/cli-runtime/pkg/resource"

	"github.com/dispel/partner-operator/internal/manifests"
)

// utf16With is a text in UTF-16, with a byte order mark.
func utf16With(bigEndian bool, text string) string {
	var out []byte
	for _, unit := range utf16.Encode([]rune("\ufeff" + text)) {
		high, low := byte(unit>>8), byte(unit)
		if bigEndian {
			out = append(out, high, low)
		} else {
			out = append(out, low, high)
		}
	}
	return string(out)
}

// byKubectl is what kubectl reads from a file, object by object as JSON.
func byKubectl(file string) ([]string, error) {
	infos, err := resource.NewLocalBuilder().Unstructured().FilenameParam(false, &resource.FilenameOptions{Filenames: []string{file}}).Flatten().Do().Infos()
	var objects []string
	for _, info := range infos {
		data, failure := json.Marshal(info.Object)
		Expect(failure).NotTo(HaveOccurred())
		objects = append(objects, strings.TrimSpace(string(data)))
	}
	return objects, err
}

// byThePlugin is what the plugin reads, and whether it has something to say.
func byThePlugin(file string) (objects []string, complains bool) {
	documents, err := manifests.Read(manifests.Input{Paths: []string{file}})
	Expect(err).NotTo(HaveOccurred())
	for _, document := range documents {
		content := document.Decode()
		complains = complains || content.NoObject || len(content.Faults)+len(content.Warnings) > 0
		for _, object := range content.Objects {
			data, err := json.Marshal(object.Object)
			Expect(err).NotTo(HaveOccurred())
			objects = append(objects, string(data))
		}
	}
	return objects, complains
}

var _ = Describe("Awkward files", func() {
	const partner = "apiVersion: partner.dispel.com/v1alpha1\nkind: Partner\nmetadata:\n  name: acme\nspec:\n  displayName: Acme\n"
	const other = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: other\n"
	const inJSON = `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "json"}}`
	crlf := func(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") }

	DescribeTable("are read as kubectl reads them",
		func(text string) {
			file := filepath.Join(GinkgoT().TempDir(), "awkward.yaml")
			Expect(os.WriteFile(file, []byte(text), 0o600)).To(Succeed())
			wanted, refusal := byKubectl(file)
			got, complains := byThePlugin(file)
			if refusal != nil {
				Expect(complains).To(BeTrue(), "kubectl refuses it: %v", refusal)
				return
			}
			Expect(got).To(HaveLen(len(wanted)))
			for i := range wanted {
				Expect(got[i]).To(MatchJSON(wanted[i]))
			}
		},
		// Encodings.
		Entry("a byte order mark of UTF-8", "\xef\xbb\xbf"+partner),
		Entry("UTF-16, little end first", utf16With(false, partner)),
		Entry("UTF-16, big end first", utf16With(true, partner+"---\n"+other)),
		Entry("UTF-16 with characters beyond ASCII", utf16With(false, strings.Replace(partner, "Acme", "Ümlaut 株式会社 🚀", 1))),
		Entry("JSON with a byte order mark", "\xef\xbb\xbf"+inJSON),
		Entry("JSON in UTF-16", utf16With(false, inJSON)),
		Entry("a byte order mark in the middle", partner+"---\n\xef\xbb\xbf"+other),
		Entry("a control character", strings.Replace(partner, "Acme", "A\x01cme", 1)),
		// Lines and documents.
		Entry("the line ends of Windows", crlf(partner)),
		Entry("the line ends of Windows, several documents", crlf(partner+"---\n"+other)),
		Entry("both line ends", partner+"---\r\n"+other),
		Entry("no line end at the end", strings.TrimSuffix(partner, "\n")),
		Entry("several documents", "---\n"+partner+"---\n"+other+"---\n"),
		Entry("empty documents in between", "---\n---\n"+partner+"---\n\n---\n# nothing\n---\n"+other),
		Entry("comments alone", "# nothing\n# at all\n"),
		Entry("an empty file", ""),
		Entry("blanks behind the hyphens", "---  \t\n"+partner+"---\t\n"+other),
		Entry("a comment behind the hyphens", "--- # acme\n"+partner+"--- # other\n"+other),
		Entry("an object behind the hyphens", "--- "+inJSON+"\n"),
		Entry("four hyphens", partner+"----\n"+other),
		Entry("three dots at the end", partner+"...\n"),
		Entry("three dots before hyphens", partner+"...\n---\n"+other),
		Entry("hyphens in a block of text", partner+"  notes: |\n    a\n    ---\n    b\n"),
		Entry("hyphens at the start of a line of a block", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: |\n    b\n---\n"+other),
		Entry("a directive", "%YAML 1.1\n---\n"+partner),
		Entry("an indented document", "  "+strings.TrimSuffix(strings.ReplaceAll(partner, "\n", "\n  "), "  ")),
		Entry("tabs behind values", strings.ReplaceAll(partner, "acme\n", "acme\t\n")),
		Entry("tabs as indentation", strings.Replace(partner, "  displayName", "\tdisplayName", 1)),
		Entry("tabs in braces", "apiVersion: v1\nkind: ConfigMap\nmetadata: {\n\tname: a}\n"),
		// Keys.
		Entry("a merge key", "x: &x {a: b}\n"+other+"data:\n  <<: *x\n"),
		Entry("a merge key with a key of its own beside it", "x: &x {a: b, c: d}\n"+other+"data:\n  <<: *x\n  a: own\n"),
		Entry("a key of its own before the merge key", "x: &x {a: b, c: d}\n"+other+"data:\n  a: own\n  <<: *x\n"),
		Entry("several mappings merged", "x: &x {a: b}\ny: &y {a: c, d: e}\n"+other+"data:\n  <<: [*x, *y]\n"),
		Entry("merge keys in merged mappings", "x: &x {a: b}\ny: &y {<<: *x, c: d}\n"+other+"data: {<<: *y, a: own}\n"),
		Entry("anchors and aliases", other+"  labels: &l {a: b}\n  annotations: *l\n"),
		Entry("an alias without its anchor", other+"data: *gone\n"),
		Entry("an anchor of another document", "x: &x {a: b}\n"+other+"---\n"+other+"data: *x\n"),
		Entry("a key that is there twice", other+"data: {a: b, a: c}\n"),
		Entry("a name that is there twice", strings.Replace(partner, "  name: acme\n", "  name: acme\n  name: globex\n", 1)),
		Entry("keys that are no text", other+"data:\n  1: a\n  true: b\n  1.5: c\n  null: d\n"),
		Entry("a key in quotes", strings.Replace(partner, "displayName:", `"displayName":`, 1)),
		Entry("a complex key", other+"data:\n  ? [a, b]\n  : c\n"),
		Entry("a key with dots and slashes", other+"  annotations: {example.com/a.b: c}\n"),
		// Values.
		Entry("octal numbers", other+"data: {a: 0644, b: 0o644, c: 010}\n"),
		Entry("other numbers", other+"data: {a: 0x1F, b: 1_000, c: 1e3, d: .5, e: 12345678901234567890, f: -0, g: +1, h: 0b11}\n"),
		Entry("numbers that JSON has not", other+"data: {a: .inf, b: .nan}\n"),
		Entry("a number beyond all bounds", other+"data: {a: 1e400}\n"),
		Entry("times of the day", other+"data: {a: 09:00, b: 12:30:45, c: 24:00}\n"),
		Entry("dates", other+"data: {a: 2026-01-01, b: 2026-01-01T10:00:00Z, c: !!timestamp 2026-01-01}\n"),
		Entry("words that are booleans", other+"data: {a: yes, b: no, c: on, d: Off, e: y, f: N, g: True}\n"),
		Entry("nothing in many ways", other+"data: {a: null, b: ~, c: , d: Null, e: ''}\n"),
		Entry("tags", other+"data: {a: !!str 1, b: !!int '1', c: !!binary aGVsbG8=}\n"),
		Entry("an unknown tag", other+"data: {a: !secret b}\n"),
		Entry("blocks of text", other+"data:\n  a: |-\n    one\n    two\n  b: >+\n    one\n    two\n\n  c: |2\n      indented\n"),
		Entry("escapes", other+`data: {a: "\u00fc\t\x41\n", b: 'it''s', c: "\/"}`+"\n"),
		Entry("text over several lines", other+"data:\n  a: one\n    two\n  b: \"one\\\n    two\"\n"),
		Entry("a colon in a text", other+"data:\n  a: b:c\n  d: http://example.com:80/#x\n"),
		Entry("a bare colon in a text", other+"data:\n  a: b: c\n"),
		// Lists.
		Entry("a list", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n  metadata: {name: a}\n- apiVersion: v1\n  kind: B\n  metadata: {name: b}\n"),
		Entry("a list in a list", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: A, metadata: {name: a}}\n"),
		Entry("a typed list", "apiVersion: v1\nkind: ConfigMapList\nitems:\n- metadata: {name: a}\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: b}}\n"),
		Entry("an empty list", "apiVersion: v1\nkind: List\nitems: []\n"),
		Entry("a list without items", "apiVersion: v1\nkind: List\nitems: null\n"),
		Entry("a list of nothing", "apiVersion: v1\nkind: List\nitems: [null]\n"),
		Entry("a list of texts", "apiVersion: v1\nkind: List\nitems: [a]\n"),
		Entry("a list at the top", "- apiVersion: v1\n  kind: A\n"),
		Entry("a list that is a mapping", "apiVersion: v1\nkind: List\nitems: {a: b}\n"),
		Entry("a list of a kind that is not called one", "apiVersion: v1\nkind: Fleet\nmetadata: {name: a}\nitems: [{apiVersion: v1, kind: A, metadata: {name: b}}]\n"),
		Entry("items without a kind in a list", "apiVersion: v1\nkind: List\nitems:\n- metadata: {name: two}\n"),
		Entry("lists indented or not", other+"data:\n  a:\n  - b\n  c:\n    - d\n  e: [f, [g]]\n"),
		// JSON.
		Entry("JSON", inJSON),
		Entry("JSON objects one after the other", inJSON+inJSON+"\n"+inJSON),
		Entry("JSON with tabs", "{\n\t\"apiVersion\": \"v1\",\n\t\"kind\": \"ConfigMap\",\n\t\"metadata\": {\n\t\t\"name\": \"a\"\n\t}\n}\n"),
		Entry("JSON with escapes", `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"a": "\/\u00fc\ud83d\ude80\b"}}`),
		Entry("JSON with a key twice", `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "name": "b"}}`),
		Entry("JSON with large and small numbers", `{"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}, "spec": {"a": 9007199254740993, "b": 1e3, "c": 1.50, "d": -0, "e": 1E400}}`),
		Entry("JSON that goes on as YAML", inJSON+"\n---\n"+other),
		Entry("YAML that goes on as JSON", other+"---\n"+inJSON+"\n"),
		Entry("YAML in braces", "{apiVersion: v1, kind: ConfigMap, metadata: {name: a}}\n"),
		Entry("JSON with comments", "{\"apiVersion\": \"v1\", # first\n\"kind\": \"A\", \"metadata\": {\"name\": \"a\"}}\n"),
		Entry("JSON with a comma too many", `{"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"},}`),
		Entry("JSON that ends early", `{"apiVersion": "v1", "kind": "A"`),
		// Objects.
		Entry("no kind", "apiVersion: v1\nmetadata: {name: a}\n"),
		Entry("a kind that is a number", "apiVersion: v1\nkind: 1\nmetadata: {name: a}\n"),
		Entry("a name that is a number", "apiVersion: v1\nkind: A\nmetadata: {name: 123}\n"),
		Entry("metadata that is nothing", "apiVersion: v1\nkind: A\nmetadata:\n"),
		Entry("metadata that is a text", "apiVersion: v1\nkind: A\nmetadata: acme\n"),
		Entry("a text", "just a text\n"),
		Entry("the values of a chart", "replicas: 2\n"),
	)
})
