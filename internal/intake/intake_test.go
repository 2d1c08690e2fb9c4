package intake_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/text/encoding/unicode"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/config/plans"
	"github.com/dispel/partner-operator/internal/intake"
	"github.com/dispel/partner-operator/internal/kinds"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/preview"
	"github.com/dispel/partner-operator/internal/scheme"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/testing/golden"
)

// Each folder in testdata is a case: namespaces with what is in them, a table if there is
// one, and in out.txt what is said of them and what becomes of them. UPDATE_GOLDEN=1
// writes these anew.
var _ = Describe("Tenants that were set up by hand", func() {
	folders, err := filepath.Glob("testdata/*")
	if err != nil || len(folders) == 0 {
		panic("no cases")
	}
	for _, folder := range folders {
		It("become the same by a table that is filled in with what their namespaces say: "+filepath.Base(folder), func(ctx SpecContext) {
			namespaces, options := given(folder)
			table, _ := intake.Fill(namespaces, options)
			byName, err := intake.New(ctx, nil, namespaces, options)
			Expect(err).NotTo(HaveOccurred())
			header, lines, _ := strings.Cut(table, "\n")
			completed := header + "\n"
			for line := range strings.Lines(lines) {
				cells := strings.SplitN(line, ",", 4) // name, displayName, channelModel and the rest
				completed += strings.Join([]string{cells[0], cells[1], "OEM", cells[3]}, ",")
			}
			rows, findings := intake.ReadTable("tenants.csv", strings.NewReader(completed))
			for _, finding := range findings {
				Expect(finding.Message).To(ContainSubstring("each tenant has its own"), "which two namespaces with one host have not")
			}
			byTable, err := intake.New(ctx, rows, namespaces, options)
			Expect(err).NotTo(HaveOccurred())
			Expect(byTable.Tenants).To(ContainElements(byName.Tenants))
			if len(findings) == 0 {
				Expect(byTable.Tenants).To(HaveLen(len(byName.Tenants)))
			}
			Expect(byTable.Known).To(Equal(byName.Known))
			Expect(strings.Count(table, "\n")).To(Equal(1 + len(namespaces) - byName.Known))
		})

		It("become what the golden file says: "+filepath.Base(folder), func(ctx SpecContext) {
			result, findings := imported(ctx, folder)
			golden.ExpectFile(filepath.Join(folder, "out.txt"), []byte(text(result, findings)))
		})
	}
})

var _ = Describe("An annotation of a route", func() {
	DescribeTable("is carried over if the admission policies let a tenant have it, and named otherwise", func(ctx SpecContext, key, value string, carried bool) {
		namespace := intake.Namespace{Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "acme"}}}
		prefix := networkingv1.PathTypePrefix
		namespace.Add(&networkingv1.Ingress{
			ObjectMeta: metav1.ObjectMeta{Namespace: "acme", Name: "web", Annotations: map[string]string{key: value}},
			Spec: networkingv1.IngressSpec{Rules: []networkingv1.IngressRule{{Host: "remote.acmecorp.com", IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
				Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{Name: "engine", Port: networkingv1.ServiceBackendPort{Number: 80}}}}},
			}}}}},
		})
		result, err := intake.New(ctx, nil, []intake.Namespace{namespace}, intake.Options{ChannelModel: v1alpha1.OEM})
		Expect(err).NotTo(HaveOccurred())
		said := ContainElement(And(HaveField("Severity", preview.Warning), HaveField("Message", HavePrefix("annotation "+key+" of Ingress web is not carried over, since the admission policies refuse it"))))
		if carried {
			Expect(result.Findings).NotTo(said)
			Expect(text(result, nil)).To(ContainSubstring(key))
		} else {
			Expect(result.Findings).To(said)
			Expect(text(result, nil)).NotTo(ContainSubstring(key))
		}
	},
		Entry("a setting", "nginx.ingress.kubernetes.io/proxy-body-size", "8m", true),
		Entry("a setting of a family", "haproxy.org/timeout-server", "5s", true),
		Entry("a setting with a value that is no plain one", "nginx.ingress.kubernetes.io/proxy-body-size", "8m; server_name x;", false),
		Entry("a piece of configuration", "nginx.ingress.kubernetes.io/configuration-snippet", "x", false),
		Entry("what nobody knows", "example.com/x", "y", false),
	)

	It("is judged by the list that the policies have", func() {
		for _, policy := range cluster.ReadObjects("config", "admission", "host-guard.yaml") {
			if policy.GetName() != "partner-annotations.partner.dispel.com" || policy.GetKind() != "ValidatingAdmissionPolicy" {
				continue
			}
			variables, _, err := unstructured.NestedSlice(policy.Object, "spec", "variables")
			Expect(err).NotTo(HaveOccurred())
			for _, variable := range variables {
				if variable.(map[string]any)["name"] != "settings" {
					continue
				}
				listed := strings.FieldsFunc(variable.(map[string]any)["expression"].(string), func(r rune) bool { return strings.ContainsRune("[]', \n", r) })
				Expect(objects.SettingAnnotations).To(ConsistOf(listed))
				return
			}
		}
		Fail("no such policy")
	})
})

// given are the namespaces of a case, and what else there is.
func given(folder string) ([]intake.Namespace, intake.Options) {
	GinkgoHelper()
	options := intake.Options{
		ChannelModel: v1alpha1.OEM, Plans: map[string]*v1alpha1.SupportPlan{}, Partners: map[string]*v1alpha1.Partner{}, Claims: map[string]*v1alpha1.SubdomainClaim{},
	}
	shipped, err := plans.Shipped()
	Expect(err).NotTo(HaveOccurred())
	for _, plan := range shipped {
		options.Plans[plan.Name] = plan
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	Expect(err).NotTo(HaveOccurred())
	found := map[string]*intake.Namespace{}
	in := func(name string) *intake.Namespace {
		if found[name] == nil {
			found[name] = &intake.Namespace{}
		}
		return found[name]
	}
	for _, file := range files {
		var data []byte
		data, err = os.ReadFile(file)
		Expect(err).NotTo(HaveOccurred())
		for _, object := range cluster.ParseObjects(data) {
			if object.GetKind() == kinds.CertificateGVK.Kind {
				in(object.GetNamespace()).Add(object)
				continue
			}
			var typed runtime.Object
			typed, err = scheme.New().New(object.GroupVersionKind())
			Expect(err).NotTo(HaveOccurred())
			Expect(runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, typed)).To(Succeed())
			switch typed := typed.(type) {
			case *corev1.Namespace:
				in(typed.Name).Namespace = typed
			case *v1alpha1.Partner:
				options.Partners[typed.Name] = typed
			case *v1alpha1.SubdomainClaim:
				options.Claims[typed.Name] = typed
			default:
				in(typed.(metav1.Object).GetNamespace()).Add(typed.(metav1.Object))
			}
		}
	}
	var namespaces []intake.Namespace
	for _, namespace := range found {
		namespaces = append(namespaces, *namespace)
	}
	slices.SortFunc(namespaces, func(a, b intake.Namespace) int { return strings.Compare(a.Name, b.Name) })
	return namespaces, options
}

// imported is what becomes of a case, and what is said of it.
func imported(ctx context.Context, folder string) (*intake.Import, []preview.Finding) {
	GinkgoHelper()
	namespaces, options := given(folder)
	var rows []intake.Row
	var findings []preview.Finding
	if table, missing := os.Open(filepath.Join(folder, "table.csv")); missing == nil {
		rows, findings = intake.ReadTable("table.csv", table)
		Expect(table.Close()).To(Succeed())
	}
	result, err := intake.New(ctx, rows, namespaces, options)
	Expect(err).NotTo(HaveOccurred())
	return result, append(findings, result.Findings...)
}

// text is what was imported, for people.
func text(result *intake.Import, findings []preview.Finding) string {
	GinkgoHelper()
	var out strings.Builder
	preview.Sort(findings)
	for _, f := range findings {
		fmt.Fprintf(&out, "# %s: %s %s: %s\n", f.Severity, f.String(), f.About(), f.Message)
	}
	objects := slices.Clone(result.Plans)
	for _, imported := range result.Tenants {
		objects = append(objects, imported.Objects...)
	}
	for _, object := range objects {
		data, err := yaml.Marshal(object.Object)
		Expect(err).NotTo(HaveOccurred())
		fmt.Fprintf(&out, "---\n%s", data)
	}
	return out.String()
}

// utf16With is a text in UTF-16.
func utf16With(order unicode.Endianness, mark unicode.BOMPolicy, text string) string {
	GinkgoHelper()
	data, err := unicode.UTF16(order, mark).NewEncoder().String(text)
	Expect(err).NotTo(HaveOccurred())
	return data
}

var _ = Describe("A table of tenants", func() {
	const header = "name,displayName,channelModel,host,external,fte\n"
	DescribeTable("is read as spreadsheets write it", func(table, displayName, host string) {
		rows, findings := intake.ReadTable("t.csv", strings.NewReader(table))
		Expect(findings).To(BeEmpty())
		Expect(rows).To(HaveLen(1))
		result, err := intake.New(context.Background(), rows, nil, intake.Options{})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.Findings).To(BeEmpty())
		Expect(result.Tenants).To(HaveLen(1))
		spec := result.Tenants[0].Objects[0].Object["spec"].(map[string]any)
		Expect(spec["displayName"]).To(Equal(displayName))
		Expect(spec["subdomain"]).To(HaveKeyWithValue("host", host))
	},
		Entry("with commas", header+"acme,Acme Corp,OEM,remote.acme.example,engine.example.net:80,1\n", "Acme Corp", "remote.acme.example"),
		Entry("with semicolons", strings.ReplaceAll(header+"acme,Acme Corp,OEM,remote.acme.example,engine.example.net:80,1\n", ",", ";"), "Acme Corp", "remote.acme.example"),
		Entry("with tabs", strings.ReplaceAll(header+"acme,Acme Corp,OEM,remote.acme.example,engine.example.net:80,1\n", ",", "\t"), "Acme Corp", "remote.acme.example"),
		Entry("with a byte-order mark", "\ufeff"+header+"acme,Acme Corp,OEM,remote.acme.example,engine.example.net:80,1\n", "Acme Corp", "remote.acme.example"),
		Entry("with CRLF and a decimal comma", strings.ReplaceAll(header+"acme,Acme Corp,OEM,remote.acme.example,engine.example.net:80,\"1,5\"\n", "\n", "\r\n"), "Acme Corp", "remote.acme.example"),
		Entry("with quotes and separators in a value", header+"acme,\"Acme, \"\"the\"\" Corp\",OEM,remote.acme.example,engine.example.net:80,\n", `Acme, "the" Corp`, "remote.acme.example"),
		Entry("with a line break in a list of values", header+"acme,Acme Corp,OEM,remote.acme.example,engine.example.net:80,\"1\n0.5\"\n", "Acme Corp", "remote.acme.example"),
		Entry("in UTF-16, as Excel's Unicode text", utf16With(unicode.LittleEndian, unicode.UseBOM, strings.ReplaceAll(header+"acme,Ümlaut GmbH,OEM,remote.acme.example,engine.example.net:80,\n", ",", "\t")), "Ümlaut GmbH", "remote.acme.example"),
		Entry("in UTF-16, big end first, without a mark", utf16With(unicode.BigEndian, unicode.IgnoreBOM, header+"acme,Ümlaut GmbH,OEM,remote.acme.example,engine.example.net:80,\n"), "Ümlaut GmbH", "remote.acme.example"),
		Entry("with a line that names the separator", "sep=;\r\n"+strings.ReplaceAll(header+"acme,\"Acme, Corp\",OEM,remote.acme.example,engine.example.net:80,\n", ",", ";"), "Acme; Corp", "remote.acme.example"),
		Entry("with empty rows and separators around it", "\n;;;;;;;\n"+strings.ReplaceAll("name,displayName,channelModel,host,external,fte,,\nacme,Acme Corp,OEM,remote.acme.example,engine.example.net:80,,,\n,,,,,,,\n", ",", ";"), "Acme Corp", "remote.acme.example"),
		Entry("with what cannot be seen around values", header+"acme,\u200b\u00a0Acme Corp\u200e,OEM,\ufeffremote.acme.example,engine.example.net:80,\n", "Acme Corp", "remote.acme.example"),
		Entry("with pipes", strings.ReplaceAll(header+"acme,Acme Corp,OEM,remote.acme.example,engine.example.net:80,1\n", ",", "|"), "Acme Corp", "remote.acme.example"),
		Entry("with an empty line before one that names the separator", "\r\nsep=|\r\n"+strings.ReplaceAll(header+"acme,Acme Corp,OEM,remote.acme.example,engine.example.net:80,1\n", ",", "|"), "Acme Corp", "remote.acme.example"),
		Entry("with returns alone, as old Macs end lines", strings.ReplaceAll(header+"acme,Acme Corp,OEM,remote.acme.example,engine.example.net:80,1\n", "\n", "\r"), "Acme Corp", "remote.acme.example"),
		Entry("with a title, and columns without names", "Tenants; of 2026\n;;;;;;;\n"+strings.ReplaceAll(",name,displayName,,channelModel,host,external,fte\n,acme,Acme Corp,,OEM,remote.acme.example,engine.example.net:80,\n", ",", ";"), "Acme Corp", "remote.acme.example"),
		Entry("with a number sign", header+"acme,#ACME,OEM,remote.acme.example,engine.example.net:80,1\n", "#ACME", "remote.acme.example"),
		Entry("with a host in upper case and a dot at its end", header+"acme,Acme Corp,OEM,Remote.ACME.example.,engine.example.net:80,\n", "Acme Corp", "remote.acme.example"),
		Entry("with names of columns in other case, and empty rows", "Name,DISPLAYNAME,channelmodel,Host,External,fte\nacme,Acme Corp,OEM,remote.acme.example,engine.example.net:80,\n,,,,,\n\n", "Acme Corp", "remote.acme.example"),
	)

	DescribeTable("says what it cannot read, with the line", func(table string, faults ...string) {
		_, findings := intake.ReadTable("t.csv", strings.NewReader(table))
		var said []string
		for _, finding := range findings {
			Expect(finding.Severity).To(Equal(preview.Error))
			said = append(said, fmt.Sprintf("%s: %s", finding.Position, finding.Message))
		}
		Expect(said).To(Equal(faults))
	},
		Entry("nothing at all", "", "t.csv:1: the table is empty: start it with the names of the columns, as kubectl partner import --template does"),
		Entry("columns that are missing and unknown", "name,customer\n",
			`t.csv:1: column "customer" is unknown: remove it, or write one of name, displayName, channelModel, namespace, host, service, external, issuer, secret, ingressClass, gateway, tier, plan, customers, validFrom, validUntil, administrators, fte, timeZone, languages`,
			`t.csv:1: column "displayName" is missing: add it, with a value in each row`, `t.csv:1: column "channelModel" is missing: add it, with a value in each row`),
		Entry("a column twice", "name,displayName,channelModel,Name\n", `t.csv:1: column "Name" is there twice: remove one`),
		Entry("rows of another length, and without a required value", header+"acme,Acme,OEM\nglobex,,OEM,,,\n",
			"t.csv:2: the row has 3 values for 6 columns: write a separator for each value that is left out, and values that contain one in quotes",
			`t.csv:3: column "displayName" has no value: write spec.displayName`),
		Entry("names and hosts twice", header+"acme,Acme,OEM,a.example.com,x.example.net:80,\nacme,Acme,OEM,A.example.com,x.example.net:80,\n",
			`t.csv:3: name "acme" is in line 2, too: each tenant has its own`, `t.csv:3: host "a.example.com" is in line 2, too: each tenant has its own`),
		Entry("Windows-1252", header+"acme,Acme,OEM,,,\nglobex,Gl\xf6bex,OEM,,,\n", "t.csv:3: this line is not in UTF-8, but perhaps in Windows-1252 or Latin-1: save the file as UTF-8"),
		Entry("a letter that was lost before", header+"acme,Acm\ufffd,OEM,,,\n", "t.csv:2: column \"displayName\": \"Acm\ufffd\" has U+FFFD, which programs write in place of a letter that they cannot read: write the letter"),
		Entry("what cannot be seen within a value, after a line with the separator", "sep=,\n"+header+"acme,Be\u202eta,OEM,,,\nbeta,\"Be\nta\",OEM,,,\n",
			"t.csv:3: column \"displayName\": \"Be\\u202eta\" has a character that cannot be seen, U+202E: write the value without it",
			"t.csv:4: column \"displayName\": \"Be\\nta\" has a character that cannot be seen, U+000A: write the value without it"),
		Entry("what a formula left", header+"acme,#N/A,OEM,,,\n", `t.csv:2: column "displayName": #N/A is what a spreadsheet writes where a formula fails or a column is too narrow: mend that, or leave the value out`),
		Entry("what a formula left in other programs and languages", header+"a,#BEZUG!,OEM,,,\nb,#VALEUR!,OEM,,,\nc,Err:508,OEM,,,\nd,########,OEM,,,\n",
			`t.csv:2: column "displayName": #BEZUG! is what a spreadsheet writes where a formula fails or a column is too narrow: mend that, or leave the value out`,
			`t.csv:3: column "displayName": #VALEUR! is what a spreadsheet writes where a formula fails or a column is too narrow: mend that, or leave the value out`,
			`t.csv:4: column "displayName": Err:508 is what a spreadsheet writes where a formula fails or a column is too narrow: mend that, or leave the value out`,
			`t.csv:5: column "displayName": ######## is what a spreadsheet writes where a formula fails or a column is too narrow: mend that, or leave the value out`),
		Entry("a workbook", "PK\x03\x04\x00", `t.csv:1: this is a workbook, not a table: save it in the spreadsheet program as "CSV UTF-8"`),
		Entry("a value in a column without a name", strings.Replace(header, "host", "", 1)+"acme,Acme,OEM,a.example.com,,\n", `t.csv:2: "a.example.com" stands in a column without a name: name the column, or remove the value`),
		Entry("half of a character", "\xff\xfe"+utf16With(unicode.LittleEndian, unicode.IgnoreBOM, header+"acme,Acme")+"\x3d\xd8", "t.csv:1: reading UTF-16: half of a character is missing: save the file anew"),
		Entry("other marks that cannot be seen", header+"acme,Be\u061cta,OEM,,,\nblank,\u3164,OEM,,,\n",
			"t.csv:2: column \"displayName\": \"Be\\u061cta\" has a character that cannot be seen, U+061C: write the value without it",
			`t.csv:3: column "displayName" has no value: write spec.displayName`),
		Entry("a quote that does not end, after rows that can be read", header+"acme,Acme,OEM,,,\nglobex,\"Globex,OEM,,,\n",
			"t.csv:3: the row cannot be read: extraneous or missing \" in quoted-field: write a quote within a value twice, and the whole value in quotes"),
	)

	DescribeTable("says what the operator would refuse", func(row, fault string) {
		rows, findings := intake.ReadTable("t.csv", strings.NewReader("name,displayName,channelModel,namespace,host,service,external,issuer,secret,ingressClass,gateway,tier,plan,customers,administrators,fte\n"+row+"\n"))
		Expect(findings).To(BeEmpty())
		result, err := intake.New(context.Background(), rows, nil, intake.Options{})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.Tenants).To(BeEmpty())
		Expect(result.Findings).To(ContainElement(And(HaveField("Severity", preview.Error), HaveField("Line", 2), HaveField("Message", ContainSubstring(fault)))))
	},
		Entry("a name", "Acme!,Acme,OEM,,,,,,,,,,,,,", "the API server would refuse the Partner: "),
		Entry("a channel model", "acme,Acme,Shop,,,,,,,,,,,,,", `spec.channelModel: Unsupported value: "Shop"`),
		Entry("a namespace of the platform", "acme,Acme,OEM,kube-system,,,,,,,,,,,,", "this namespace belongs to Kubernetes or to the operator"),
		Entry("a host without a backend", "acme,Acme,OEM,,a.example.com,,,,,,,,,,,", `no backend found for a.example.com; write it in column "service" or "external" of the table`),
		Entry("two backends", "acme,Acme,OEM,,a.example.com,engine:80,x.example.net:80,,,,,,,,,", `columns "service" and "external" both have a value`),
		Entry("a backend without a port", "acme,Acme,OEM,,a.example.com,engine,,,,,,,,,,", `column "service": "engine" is no name with a port: write it as name:port, such as engine:8080`),
		Entry("two certificates", "acme,Acme,OEM,,a.example.com,engine:80,,letsencrypt,tls,,,,,,,", `columns "issuer" and "secret" both have a value`),
		Entry("two routes", "acme,Acme,OEM,,a.example.com,engine:80,,,,traefik,infra/public,,,,,", `columns "ingressClass" and "gateway" both have a value`),
		Entry("a Gateway without a namespace", "acme,Acme,OEM,,a.example.com,engine:80,,,,,public,,,,,", `column "gateway": "public" names no namespace: write namespace/name`),
		Entry("a tier", "acme,Acme,OEM,,,,,,,,,Gold,,,,", `column "tier": "Gold" is no tier: write Basic, Premium or MissionCritical`),
		Entry("a plan that is not there", "acme,Acme,OEM,,,,,,,,,,gold,,,", `column "plan": there is no SupportPlan "gold": write one that is there, or its tier in column "tier" to have it written`),
		Entry("a count", "acme,Acme,OEM,,,,,,,,,,,1.200,,", `column "customers": "1.200" is no count: write a whole number without separators, such as 1200`),
		Entry("an administrator", "acme,Acme,OEM,,,,,,,,,,,,admins,", `column "administrators": "admins" is no administrator: write Group:name, User:name or ServiceAccount:namespace/name`),
		Entry("an administrator of another kind behind one", "acme,Acme,OEM,,,,,,,,,,,,Group:acme Users:bob,", `column "administrators": "Group:acme Users:bob" has a second kind, "Users:": write Group:name, User:name or ServiceAccount:namespace/name, with a comma between two of them`),
		Entry("an administrator whose name has a kind within", "acme,Acme,OEM,,,,,,,,,,,,Group:Power User: EMEA,", `"Group:Power User: EMEA" has a second kind, "User:"`),
		Entry("an administrator of a kind in another case", "acme,Acme,OEM,,,,,,,,,,,,Group:acme group:ops,", `column "administrators": "group:ops" is no administrator`),
		Entry("FTE", "acme,Acme,OEM,,,,,,,,,,,,,0.3", `column "fte": 0.3 FTE is not on offer`),
	)

	It("names administrators with spaces and commas", func() {
		rows, findings := intake.ReadTable("t.csv", strings.NewReader("name,displayName,channelModel,administrators\nacme,Acme,OEM,\"Group: ACME\u00a0Admins, User:Jane Doe;ServiceAccount:ci/deploy\nGroup:CN=ops,OU=eu | \"\n"))
		Expect(findings).To(BeEmpty())
		result, err := intake.New(context.Background(), rows, nil, intake.Options{})
		Expect(err).NotTo(HaveOccurred())
		administrators, _, err := unstructured.NestedSlice(result.Tenants[0].Objects[0].Object, "spec", "tenant", "administrators")
		Expect(err).NotTo(HaveOccurred())
		Expect(administrators).To(Equal([]any{
			map[string]any{"kind": "Group", "name": "ACME Admins"}, map[string]any{"kind": "User", "name": "Jane Doe"},
			map[string]any{"kind": "ServiceAccount", "namespace": "ci", "name": "deploy"}, map[string]any{"kind": "Group", "name": "CN=ops,OU=eu"},
		}))
	})

	It("is what the template says", func() {
		rows, findings := intake.ReadTable("template.csv", strings.NewReader(intake.Template()))
		Expect(findings).To(BeEmpty())
		result, err := intake.New(context.Background(), rows, nil, intake.Options{})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.Findings).To(ConsistOf(HaveField("Severity", preview.Notice)), "the namespace is not there")
		Expect(result.Tenants).To(HaveLen(1))
	})
})

var _ = Describe("A thousand tenants", func() {
	It("are imported, and a few that clash are named", func(ctx SpecContext) {
		var table strings.Builder
		table.WriteString("name,displayName,channelModel,namespace,host,service\n")
		var namespaces []intake.Namespace
		for i := range 1000 {
			name := fmt.Sprintf("tenant-%d", i)
			fmt.Fprintf(&table, "%s,Tenant %d,OEM,%s-prod,%s.example.com,engine:8080\n", name, i, name, name)
			namespaces = append(namespaces, intake.Namespace{Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name + "-prod"}}})
		}
		rows, findings := intake.ReadTable("table.csv", strings.NewReader(table.String()))
		Expect(findings).To(BeEmpty())
		// One that is in no table has the name of one that is.
		namespaces = append(namespaces, intake.Namespace{Namespace: &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "tenant-7"}}})
		result, err := intake.New(ctx, rows, namespaces, intake.Options{ChannelModel: v1alpha1.OEM})
		Expect(err).NotTo(HaveOccurred())
		Expect(result.Tenants).To(HaveLen(999))
		var said []string
		for _, finding := range result.Findings {
			if finding.Severity != preview.Notice {
				said = append(said, string(finding.Severity)+" "+finding.Message[:30])
			}
		}
		Expect(said).To(ConsistOf("warning spec.tenant.networkIsolation i", "warning the operator enforces the pod ", `error the name "tenant-7" is also us`, `error the name "tenant-7" is also us`), "what holds for all is said once")
	})
})
