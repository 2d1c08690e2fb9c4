package cli_test

import (
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/internal/cli"
	"github.com/dispel/partner-operator/internal/testing/cluster"
)

// handmade is a tenant as somebody set it up by hand.
const handmade = `
apiVersion: v1
kind: Namespace
metadata: {name: zorg-prod, labels: {import: zorg}}
---
apiVersion: v1
kind: Service
metadata: {name: engine, namespace: zorg-prod}
spec: {ports: [{name: http, port: 8080}]}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: engine, namespace: zorg-prod}
spec:
  ingressClassName: traefik
  rules: [{host: remote.zorg.example, http: {paths: [{path: /, pathType: Prefix, backend: {service: {name: engine, port: {name: http}}}}]}}]
`

var _ = Describe("import", func() {
	BeforeEach(func(ctx SpecContext) {
		for _, object := range cluster.ParseObjects([]byte(handmade)) {
			Expect(client.IgnoreAlreadyExists(direct.Create(ctx, object))).To(Succeed())
		}
	})

	It("writes what is in a namespace into a folder, again and again", func(ctx SpecContext) {
		folder := filepath.Join(GinkgoT().TempDir(), "partners")
		for range 2 {
			got := run(ctx, "import zorg-prod --channel-model MSP --into "+folder)
			Expect(got.status).To(Equal(0), got.err)
			Expect(got.out).To(BeEmpty())
			Expect(got.err).To(HaveSuffix("1 Partner written, 0 tenants skipped because they are already imported. 0 errors, 2 warnings, 3 notices.\n"))
		}
		data, err := os.ReadFile(filepath.Join(folder, "zorg-prod.yaml"))
		Expect(err).NotTo(HaveOccurred())
		Expect(string(data)).To(And(ContainSubstring("partner.dispel.com/adopt: zorg-prod"), ContainSubstring("host: remote.zorg.example"), ContainSubstring("channelModel: MSP")))

		By("planning them")
		planned := run(ctx, "plan -f "+folder+" --against-cluster --ingress-class traefik")
		Expect(planned.out).To(ContainSubstring("+ Ingress remote.zorg.example"))

		By("overwriting no file with another")
		table := filepath.Join(GinkgoT().TempDir(), "table.csv")
		Expect(os.WriteFile(table, []byte("name,displayName,channelModel,plan,tier\nsupportplans,Support Plans,OEM,gold,Basic\n"), 0o600)).To(Succeed())
		clash := run(ctx, "import --table "+table+" --into "+filepath.Join(folder, "clash"))
		Expect(clash.status).NotTo(Equal(0))
		Expect(clash.err).To(ContainSubstring("a Partner and the SupportPlans would both be written into " + filepath.Join(folder, "clash", "supportplans.yaml")))
		Expect(filepath.Join(folder, "clash")).NotTo(BeADirectory())

		By("leaving a file alone that says something else")
		Expect(os.WriteFile(filepath.Join(folder, "zorg-prod.yaml"), []byte("mine"), 0o600)).To(Succeed())
		got := run(ctx, "import --selector import=zorg --channel-model OEM --into "+folder)
		Expect(got.status).To(Equal(3))
		Expect(got.err).To(ContainSubstring("zorg-prod.yaml is there already and says something else, so nothing is written: name another folder with --into and compare, or remove the file"))
		Expect(os.ReadFile(filepath.Join(folder, "zorg-prod.yaml"))).To(BeEquivalentTo("mine"))
	})

	It("fills a table with what is in a namespace, which people complete", func(ctx SpecContext) {
		filled := run(ctx, "import -l import=zorg --template")
		Expect(filled.status).To(BeZero(), filled.err)
		header, row, _ := strings.Cut(strings.TrimSpace(filled.out), "\n")
		Expect(header).To(HavePrefix("name,displayName,channelModel,namespace,host,service,"))
		Expect(row).To(Equal("zorg-prod,zorg-prod,,zorg-prod,remote.zorg.example,engine:8080,,,,traefik,,,,,,,,,,"))
		Expect(run(ctx, "import zorg-prod --template").out).To(Equal(filled.out))

		completed := strings.Replace(filled.out, "zorg-prod,zorg-prod,,zorg-prod", "zorg,Zorg,OEM,zorg-prod", 1)
		fromTable := runOn(ctx, &cli.Terminal{In: strings.NewReader(completed)}, "import --table - --kubeconfig "+reader)
		Expect(fromTable.status).To(BeZero(), fromTable.err)
		byName := run(ctx, "import zorg-prod --channel-model OEM")
		Expect(fromTable.out).To(Equal(strings.NewReplacer(
			"partner.dispel.com/adopt: zorg-prod", "partner.dispel.com/adopt: zorg", "displayName: zorg-prod", "displayName: Zorg", "  name: zorg-prod\n  namespace", "  name: zorg-prod\n  namespace").
			Replace(strings.Replace(byName.out, "kind: Partner\nmetadata:\n  name: zorg-prod", "kind: Partner\nmetadata:\n  name: zorg", 1))))
	})

	It("lists a namespace that only the selector finds and that no row describes", func(ctx SpecContext) {
		got := run(ctx, "import --selector import=zorg --table internal/cli/testdata/tenants.csv")
		Expect(got.status).To(Equal(1))
		Expect(got.err).To(ContainSubstring("Namespace zorg-prod: it is in no row of the table: add one, or write --channel-model to import it without"))
	})

	It("reads a table from standard input, and without a cluster", func(ctx SpecContext) {
		GinkgoT().Setenv("KUBECONFIG", filepath.Join(GinkgoT().TempDir(), "none"))
		got := runOn(ctx, &cli.Terminal{In: strings.NewReader("name;displayName;channelModel;tier;namespace\nzorg;Zorg;OEM;Premium;zorg-prod\n")}, "import --table -")
		Expect(got.err).To(HavePrefix("warning: no cluster is configured, so only the table is read\n"))
		Expect(got.status).To(Equal(0))
		Expect(got.out).To(ContainSubstring("supportPlanRef:\n    name: premium\n"))
		Expect(got.err).To(ContainSubstring("nobody can tell whether namespace zorg-prod exists: if it does, annotate it with partner.dispel.com/adopt=zorg"))
	})

	DescribeTable("needs a cluster to read namespaces of", func(ctx SpecContext, line string) {
		GinkgoT().Setenv("KUBECONFIG", filepath.Join(GinkgoT().TempDir(), "none"))
		got := runOn(ctx, &cli.Terminal{In: strings.NewReader("name,displayName,channelModel\nzorg,Zorg,OEM\n")}, line)
		Expect(got.err).To(ContainSubstring("no cluster is configured: set KUBECONFIG, or give --kubeconfig or --server"))
		Expect(got.status).To(Equal(3))
		Expect(got.out).To(BeEmpty())
	},
		Entry("by a selector", "import --selector import=zorg --channel-model OEM"),
		Entry("by name", "import zorg-prod --channel-model OEM"),
		Entry("beside a table", "import zorg-prod --channel-model OEM --table -"),
	)

	DescribeTable("says what is wrong with a command line", func(ctx SpecContext, line, fault string, status int) {
		got := run(ctx, line)
		Expect(got.err).To(ContainSubstring(fault))
		Expect(got.status).To(Equal(status))
	},
		Entry("nothing to import", "import", "say what to import: the names of namespaces, --selector or --table", 2),
		Entry("names and a selector", "import zorg-prod --selector import=zorg", "write either the names of namespaces or --selector", 2),
		Entry("a table to fill in and one to read", "import zorg-prod --template --table a.csv", "--template prints a table to fill in: leave out --table", 2),
		Entry("no channel model", "import zorg-prod", "--channel-model is missing: a namespace does not say how its partner sells, so write it, or a table with --table", 2),
		Entry("a selector that is none", "import --selector a=b=c --channel-model OEM", "--selector: ", 2),
		Entry("a namespace that is not there", "import nowhere --channel-model OEM", `there is no namespace "nowhere": kubectl get namespaces lists those that are there`, 3),
		Entry("a table that is not there", "import --table nowhere.csv", "open nowhere.csv: no such file or directory", 3),
	)
})
