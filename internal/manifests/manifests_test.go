package manifests_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/internal/manifests"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "manifests")
}

// folder writes files, by their path in a folder of its own.
func folder(files map[string]string) string {
	GinkgoHelper()
	root := GinkgoT().TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		Expect(os.MkdirAll(filepath.Dir(path), 0o755)).To(Succeed())
		Expect(os.WriteFile(path, []byte(text), 0o644)).To(Succeed())
	}
	return root
}

// contents reads and decodes all, and returns the names of the objects with where
// they were found, and the faults.
func contents(input manifests.Input) (objects, faults []string) {
	GinkgoHelper()
	documents, err := manifests.Read(input)
	Expect(err).NotTo(HaveOccurred())
	for _, document := range documents {
		content := document.Decode()
		for _, object := range content.Objects {
			where := object.String()
			if len(input.Paths) > 0 {
				where = strings.TrimPrefix(where, input.Paths[0]+"/")
			}
			objects = append(objects, object.Kind+" "+object.Name+" "+where)
		}
		for _, fault := range content.Faults {
			faults = append(faults, strings.TrimPrefix(fault.String(), input.Paths[0]+"/")+": "+fault.Message)
		}
	}
	return objects, faults
}

const settings = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: "

var _ = Describe("Read", func() {
	files := map[string]string{
		"b.yaml":             "# first\n\n" + settings + "one}\n---\n# two\n" + settings + "two}\n--- # three\n---\n" + settings + "three}\n",
		"a.json":             `{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "json"}}`,
		"deeper/c.yml":       settings + "deeper}\n",
		"deeper/notes.txt":   "not: read",
		".git/config.yaml":   settings + "hidden}\n",
		"kustomization.yaml": "resources: [b.yaml]\n",
		"values.yaml":        "replicas: 2\n",
	}

	It("reads folders with all below them, and knows the line of each object", func() {
		objects, faults := contents(manifests.Input{Paths: []string{folder(files)}, Recursive: true})
		Expect(objects).To(Equal([]string{
			"ConfigMap json a.json:1", "ConfigMap one b.yaml:3", "ConfigMap two b.yaml:8", "ConfigMap three b.yaml:13", "ConfigMap deeper deeper/c.yml:1",
		}))
		Expect(faults).To(BeEmpty())
	})

	It("stays in the folder itself if told to", func() {
		objects, _ := contents(manifests.Input{Paths: []string{folder(files)}})
		Expect(objects).To(HaveLen(4))
	})

	It("reads standard input, and a file of any name", func() {
		objects, _ := contents(manifests.Input{Paths: []string{"-"}, Stdin: strings.NewReader(settings + "in}\n")})
		Expect(objects).To(Equal([]string{"ConfigMap in standard input:1"}))
		root := folder(map[string]string{"manifest": settings + "named}\n"})
		objects, _ = contents(manifests.Input{Paths: []string{filepath.Join(root, "manifest")}})
		Expect(objects).To(HaveLen(1))
	})

	It("builds a kustomization", func() {
		root := folder(map[string]string{
			"kustomization.yaml": "namePrefix: new-\nresources: [base/c.yaml]\n", "base/c.yaml": settings + "one}\n",
		})
		objects, _ := contents(manifests.Input{Kustomization: root})
		Expect(objects).To(Equal([]string{"ConfigMap new-one " + root}))
	})

	It("takes lists apart", func() {
		objects, faults := contents(manifests.Input{Paths: []string{"-"}, Stdin: strings.NewReader(
			"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: one}\n- metadata: {name: two}\n")})
		Expect(objects).To(Equal([]string{"ConfigMap one standard input:1"}))
		Expect(faults).To(Equal([]string{"standard input:7: items[1] has no apiVersion and kind: write both"}))
	})

	DescribeTable("says where a file is broken",
		func(text, fault string) {
			_, faults := contents(manifests.Input{Paths: []string{folder(map[string]string{"x.yaml": settings + "one}\n---\n" + text})}})
			Expect(faults).To(Equal([]string{fault}))
		},
		Entry("by its indentation", "a: b\n c: d\n", "x.yaml:6: this is no YAML: mapping values are not allowed in this context"),
		Entry("by a bracket", "a: [b\nc: d\n", "x.yaml:5: this is no YAML: did not find expected ',' or ']'"),
		Entry("by a tab", "a:\n\tb: c\n", "x.yaml:6: this is no YAML: found character that cannot start any token"),
		Entry("by a kind that was forgotten", "# about acme\nmetadata: {name: acme}\n",
			"x.yaml:6: this object has no apiVersion or no kind: write both, such as apiVersion: partner.dispel.com/v1alpha1 and kind: Partner"),
	)

	DescribeTable("loses no object",
		func(text string, wanted ...string) {
			objects, faults := contents(manifests.Input{Paths: []string{"-"}, Stdin: strings.NewReader(text)})
			Expect(objects).To(HaveExactElements(wanted))
			Expect(faults).To(BeEmpty())
		},
		Entry("of JSON objects one after the other", `{"apiVersion": "v1", "kind": "A", "metadata": {"name": "a"}}`+"\n"+`{"apiVersion": "v1", "kind": "B", "metadata": {"name": "b"}}`,
			"A a standard input:1", "B b standard input:2"),
		Entry("after three dots", settings+"a}\n...\n"+settings+"b}\n", "ConfigMap a standard input:1", "ConfigMap b standard input:5"),
		Entry("on the line of the hyphens", "--- {apiVersion: v1, kind: A, metadata: {name: a}}\n--- {apiVersion: v1, kind: B}\n", "A a standard input:1", "B  standard input:2"),
		Entry("with the line ends of Windows", strings.ReplaceAll(settings+"a}\n---\n"+settings+"b}\n", "\n", "\r\n"), "ConfigMap a standard input:1", "ConfigMap b standard input:5"),
		Entry("after a mark of UTF-8", "\xef\xbb\xbf"+settings+"a}\n", "ConfigMap a standard input:1"),
		Entry("of a list in a list", "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: A, metadata: {name: a}}\n", "A a standard input:1"),
		Entry("of a typed list, whose items leave the kind out", "apiVersion: v1\nkind: PartnerList\nitems:\n- metadata: {name: a}\n", "Partner a standard input:1"),
		Entry("but of an empty list there is none", "apiVersion: v1\nkind: List\nitems: null\n"),
	)

	DescribeTable("says what it cannot read",
		func(text, fault string) {
			_, faults := contents(manifests.Input{Paths: []string{"-"}, Stdin: strings.NewReader(text)})
			Expect(faults).To(ConsistOf(fault))
		},
		Entry("a list that is none", "apiVersion: v1\nkind: List\nitems: {a: b}\n", "standard input:3: items of a list is no list: write - before each"),
		Entry("an apiVersion that is none", "apiVersion: a/b/c\nkind: A\n", `standard input:1: apiVersion "a/b/c" is none: write group/version, such as partner.dispel.com/v1alpha1`),
		Entry("broken JSON", `{"a": 1`, "standard input:1: this is no YAML: did not find expected ',' or '}'"),
	)

	DescribeTable("warns of what other tools read otherwise",
		func(text, name string, warnings ...string) {
			documents, err := manifests.Read(manifests.Input{Paths: []string{"-"}, Stdin: strings.NewReader(text)})
			Expect(err).NotTo(HaveOccurred())
			content := documents[len(documents)-1].Decode()
			Expect(content.Faults).To(BeEmpty())
			Expect(content.Objects).To(HaveExactElements(HaveField("Name", name)))
			var got []string
			for _, warning := range content.Warnings {
				got = append(got, warning.String()+": "+warning.Message)
			}
			Expect(strings.Join(got, "\n")).To(Equal(strings.Join(warnings, "\n")))
		},
		Entry("a key that is there twice", settings+"a}\n---\napiVersion: v1\nkind: A\nmetadata:\n  name: one\n  name: two\n", "two",
			`standard input:9: the key "name" is there twice: kubectl takes the last one, and Flux and kustomize refuse the file: remove one`),
		Entry("not a key of its own beside a merged one", "x: &x {name: a, labels: {a: b}}\napiVersion: v1\nkind: A\nmetadata:\n  <<: *x\n  name: b\n", "b"),
		Entry("three dots", settings+"a}\n...\n"+settings+"b}\n", "b",
			"standard input:5: kubectl ignores what follows three dots: write three hyphens before this document"),
		Entry("not three dots before hyphens", settings+"a}\n...\n---\n"+settings+"b}\n", "b"),
		Entry("an object behind the hyphens", "--- {apiVersion: v1, kind: A, metadata: {name: a}}\n", "a",
			"standard input:1: kubectl refuses a file with anything but a comment behind three hyphens: begin this document in the next line"),
		Entry("not a comment behind the hyphens", "--- # acme\n"+settings+"a}\n", "a"),
	)

	DescribeTable("says what is no text in metadata",
		func(metadata string, wanted ...string) {
			_, faults := contents(manifests.Input{Paths: []string{"-"}, Stdin: strings.NewReader("apiVersion: v1\nkind: A\nmetadata:" + metadata + "\n")})
			Expect(faults).To(Equal(wanted))
		},
		Entry("a name that is a number", " {name: 0123}", `standard input:3: metadata.name must be a string: 0123 without quotes is a number, so write "0123"`),
		Entry("a label and an annotation", "\n  labels: {vip: yes}\n  annotations:\n    example.com/a.b: 1.5", `standard input:4: metadata.labels[vip] must be a string: yes without quotes is a boolean, so write "yes"`,
			`standard input:6: metadata.annotations[example.com/a.b] must be a string: 1.5 without quotes is a number, so write "1.5"`),
		Entry("a list", " {name: [a]}", "standard input:3: metadata.name must be a string"),
		Entry("metadata", " acme", "standard input:3: metadata must be a mapping: write metadata: {name: …}"),
		Entry("labels", " {labels: [a]}", "standard input:3: metadata.labels must be a mapping of strings"),
	)

	It("reads what is named twice once, and follows a link to a folder", func() {
		root := folder(map[string]string{"real/a.yaml": settings + "one}\n"})
		Expect(os.Symlink(filepath.Join(root, "real"), filepath.Join(root, "link"))).To(Succeed())
		objects, _ := contents(manifests.Input{Paths: []string{filepath.Join(root, "link"), filepath.Join(root, ".", "link") + "/"}})
		Expect(objects).To(Equal([]string{"ConfigMap one a.yaml:1"}))
	})

	DescribeTable("reads no file that may never end", func(make func(link string) error) {
		root := folder(map[string]string{"a.yaml": settings + "one}\n", "kustomized/kustomization.yaml": "resources: [endless.yaml]\n"})
		for _, input := range []struct {
			link string
			manifests.Input
		}{
			{"endless.yaml", manifests.Input{Paths: []string{root}}},
			{"endless.yaml", manifests.Input{Paths: []string{filepath.Join(root, "endless.yaml")}}},
			{"kustomized/endless.yaml", manifests.Input{Kustomization: filepath.Join(root, "kustomized")}},
		} {
			link := filepath.Join(root, input.link)
			Expect(make(link)).To(Succeed())
			_, err := manifests.Read(input.Input)
			if info, statErr := os.Lstat(link); input.Kustomization == "" || statErr == nil && info.Mode().Type() != os.ModeSymlink {
				Expect(err).To(MatchError(ContainSubstring(link + " is not a regular file")))
			} else {
				Expect(err).To(MatchError(ContainSubstring("is not in or below")), "kustomize follows no link out of its folder")
			}
			Expect(os.Remove(link)).To(Succeed())
		}
	},
		Entry("a link to a device", func(link string) error { return os.Symlink("/dev/zero", link) }),
		Entry("a pipe", func(link string) error { return syscall.Mkfifo(link, 0o600) }),
	)

	It("reads no file that is larger than any manifest", func() {
		root := folder(map[string]string{"a.yaml": ""})
		name := filepath.Join(root, "a.yaml")
		Expect(os.Truncate(name, manifests.MaxFile+1)).To(Succeed())
		_, err := manifests.Read(manifests.Input{Paths: []string{root}})
		Expect(err).To(MatchError(name + ": it has more than 64 MiB: split it into several files"))
		_, err = manifests.Read(manifests.Input{Paths: []string{"-"}, Stdin: endless{}})
		Expect(err).To(MatchError("reading standard input: it has more than 64 MiB: split it into several files"))
	})

	It("counts what is no object apart", func() {
		for _, text := range []string{"replicas: 2\n", "- a\n- b\n", "just a text\n"} {
			documents, err := manifests.Read(manifests.Input{Paths: []string{"-"}, Stdin: strings.NewReader(text)})
			Expect(err).NotTo(HaveOccurred())
			Expect(documents[0].Decode()).To(Equal(manifests.Content{NoObject: true}), text)
		}
	})

	It("says that there is nothing to read", func() {
		root := folder(map[string]string{"notes.txt": "", "deeper/.keep": ""})
		_, err := manifests.Read(manifests.Input{Paths: []string{root}, Recursive: true})
		Expect(err).To(MatchError(manifests.ErrNoManifests))
		_, err = manifests.Read(manifests.Input{Paths: []string{filepath.Join(root, "gone")}})
		Expect(err).To(MatchError(os.ErrNotExist))
		_, err = manifests.Read(manifests.Input{Kustomization: root})
		Expect(err).To(MatchError(ContainSubstring("kustomization")))
	})
})

var _ = Describe("At", func() {
	const text = `# a partner
apiVersion: partner.dispel.com/v1alpha1
kind: Partner
metadata:
  name: acme
  annotations:
    example.com/a.b: c
spec:
  subdomain: &subdomain
    host: remote.acmecorp.com
    backend: {external: {host: x.example.net,
      port: 0}}
  tenant:
    administrators:
    - {kind: Group, name: a}
    - kind: Group
      name: b
`
	DescribeTable("finds the line of a field",
		func(field string, line int) {
			documents, err := manifests.Read(manifests.Input{Paths: []string{"-"}, Stdin: strings.NewReader("---\n" + text)})
			Expect(err).NotTo(HaveOccurred())
			Expect(documents[0].Decode().Objects[0].At(field).Line).To(Equal(line + 1))
		},
		Entry("at the top", "kind", 3),
		Entry("below", "spec.subdomain.host", 10),
		Entry("in braces", "spec.subdomain.backend.external.port", 12),
		Entry("in a list", "spec.tenant.administrators[1].name", 17),
		Entry("by a key", "metadata.annotations[example.com/a.b]", 7),
		Entry("the nearest above, if it is not there", "spec.subdomain.route.annotations", 9),
		Entry("the object, if nothing of it is there", "status.staffing", 2),
	)

	It("finds it in a list of objects, too", func() {
		documents, err := manifests.Read(manifests.Input{Paths: []string{"-"}, Stdin: strings.NewReader(
			"apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: A\n- apiVersion: v1\n  kind: B\n  metadata:\n    name: b\n")})
		Expect(err).NotTo(HaveOccurred())
		Expect(documents[0].Decode().Objects[1].At("metadata.name").Line).To(Equal(9))
	})
})

var _ = Describe("A file that is not in UTF-8", func() {
	It("is refused at the line, although kubectl writes a mark in place of the letter", func() {
		documents, err := manifests.Read(manifests.Input{Paths: []string{"-"}, Stdin: strings.NewReader("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\ndata:\n  a: Gl\xf6bex\n")})
		Expect(err).NotTo(HaveOccurred())
		Expect(documents).To(HaveLen(1))
		content := documents[0].Decode()
		Expect(content.Objects).To(BeEmpty())
		Expect(content.Faults).To(HaveExactElements(manifests.Fault{
			Position: manifests.Position{File: "standard input", Line: 6}, Message: "this line is not in UTF-8, but perhaps in Windows-1252 or Latin-1: save the file as UTF-8",
		}))
	})
})

// endless is a reader that never ends.
type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
