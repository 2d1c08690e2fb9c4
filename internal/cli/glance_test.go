package cli_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/types"

	"github.com/dispel/partner-operator/internal/cli"
	"github.com/dispel/partner-operator/internal/testing/cluster"
	"github.com/dispel/partner-operator/internal/testing/partners"
)

var _ = Describe("What people look for first", func() {
	at := func(ctx SpecContext, width int, line string) string {
		GinkgoHelper()
		return runOn(ctx, &cli.Terminal{Width: width}, line+" --kubeconfig "+reader).out
	}

	DescribeTable("is there at every width", func(ctx SpecContext, width int) {
		out := at(ctx, width, "status")
		words := strings.Join(strings.Fields(out), " ")
		Expect(words).To(ContainSubstring(`HostClaimedByAnotherPartner: portal.stark.com is held by Partner "stark": write another host, or remove it from that partner`))
		Expect(words).To(ContainSubstring("60 customers, and 3 FTE of P-CSMs support at most 45 (15 per FTE): add 1 FTE"))
		Expect(out).NotTo(ContainSubstring("…"))
		for line := range strings.Lines(out) {
			Expect(len([]rune(strings.TrimRight(line, "\n")))).To(BeNumerically("<=", width), line)
		}
	},
		Entry("of 120 columns", 120),
		Entry("of 80 columns", 80),
		Entry("of 60 columns", 60),
	)

	DescribeTable("is a row of no table that is cut off", func(ctx SpecContext, width int, line string, last ...string) {
		out := at(ctx, width, line)
		words := strings.Join(strings.Fields(out), " ")
		for _, what := range last {
			Expect(words).To(ContainSubstring(what))
		}
		Expect(out).NotTo(ContainSubstring("…"))
		for line := range strings.Lines(out) {
			Expect(len([]rune(strings.TrimRight(line, "\n")))).To(BeNumerically("<=", width), line)
		}
	},
		Entry("of who does what, at 120 columns", 120, "raci acme", "DISPEL", "CONTACT FIRST", "Secondary,"),
		Entry("of who does what, at 80 columns", 80, "raci acme", "DISPEL", "CONTACT FIRST", "Secondary,"),
		Entry("of one task", 80, "raci acme --task EndUserSupport", "Contact first", "Partner or Dispel P-CSM"),
		Entry("of capacity", 80, "capacity", "VERDICT"),
		Entry("of coverage", 80, "coverage", "UNCOVERED"),
		Entry("of deadlines", 60, "deadline initech --at 2026-12-04", "Severity 2"),
		Entry("of what would be", 60, "capacity acme --customers 46", "Verdict", "CapacityExceeded"),
		Entry("of what would be of a host", 60, "capacity remote.acmecorp.com --customers 46 --fte 3.5", "Verdict", "NearCapacity"),
	)

	DescribeTable("is laid out alike with and without colours", func(ctx SpecContext, line string) {
		for _, width := range []int{80, 120} {
			painted := runOn(ctx, &cli.Terminal{Width: width, Colour: true}, line+" --kubeconfig "+reader).out
			Expect(painted).To(ContainSubstring("\x1b["))
			Expect(regexp.MustCompile("\x1b\\[[0-9;]*m").ReplaceAllString(painted, "")).To(Equal(at(ctx, width, line)))
		}
	},
		Entry("all partners", "status"),
		Entry("one partner", "status acme --show-conditions"),
		Entry("capacity", "capacity"),
		Entry("coverage", "coverage"),
		Entry("the coverage of one", "coverage acme"),
		Entry("a plan", "plan -f config/samples"),
	)

	It("is in the row where there is room for it", func(ctx SpecContext) {
		Expect(at(ctx, 400, "status")).To(Equal(at(ctx, 0, "status")))
	})

	DescribeTable("is found by its host as by its name", func(ctx SpecContext, line string, matches types.GomegaMatcher) {
		byName, byHost := run(ctx, strings.Replace(line, "NAME", "stark", 1)), run(ctx, strings.Replace(line, "NAME", "portal.stark.com", 1))
		Expect(byName.out).To(matches, byName.err)
		Expect(byHost).To(Equal(byName))
	},
		Entry("by status", "status NAME", ContainSubstring("Partner stark")),
		Entry("by capacity", "capacity NAME", ContainSubstring("stark")),
		Entry("by coverage", "coverage NAME", ContainSubstring("stark")),
		Entry("by raci", "raci NAME", ContainSubstring("Primary")),
		Entry("by deadline", "deadline NAME", BeEmpty()),
	)

	It("says of who does what that the contract has ended", Serial, func(ctx SpecContext) {
		partner := partners.New("ended", "")
		partner.Spec.Subdomain, partner.Spec.ValidUntil, partner.Spec.Suspend = nil, "2026-06-30", new(true) // nothing is made of it
		Expect(direct.Create(ctx, partner)).To(Succeed())
		DeferCleanup(func(ctx SpecContext) { Expect(direct.Delete(ctx, partner)).To(Succeed()) })
		Expect(run(ctx, "raci acme").out).NotTo(ContainSubstring("not in force"))
		got := run(ctx, "raci ended")
		Expect(got.out).To(ContainSubstring("The contract is not in force: the last day of the contract was 2026-06-30"), got.err)
	})

	It("is checked by its host, too, as its holder's", func(ctx SpecContext) {
		got := run(ctx, "check portal.stark.com --connect-to 127.0.0.1:1")
		Expect(got.out).To(ContainSubstring("no answer from portal.stark.com"), got.err)
		Expect(run(ctx, "check Portal.Stark.COM. --connect-to 127.0.0.1:1").out).To(ContainSubstring("no answer from portal.stark.com"))
		Expect(run(ctx, "check vandelay").err).To(ContainSubstring(`Partner "vandelay" has no sub-domain to check: portal.stark.com is held by Partner "stark"`))
	})

	It("is a deadline by each severity, at a time in the plan's zone", func(ctx SpecContext) {
		got := run(ctx, `deadline initech --at '2026-12-04 16:30' -o json`)
		Expect(got.err).To(BeEmpty())
		Expect(got.out).To(And(HavePrefix("["), ContainSubstring(`"severity": 2`), ContainSubstring(`"at": "2026-12-04T16:30:00+01:00"`)))
		Expect(run(ctx, `deadline initech --at '2026-12-04' --severity 2 -o json`).out).To(ContainSubstring(`"at": "2026-12-04T00:00:00+01:00"`))
		got = run(ctx, "deadline stark")
		Expect(got.status).To(Equal(1))
		Expect(got.err).To(Equal("SupportPlan \"basic\" has no response target: see Dispel's Support Policy, or write one in spec.responseTargets\n"))
		got = run(ctx, "deadline initech --at noon")
		Expect(got.status).To(Equal(2))
		Expect(got.err).To(ContainSubstring(`--at "noon" is no time: write it as "2026-12-04 18:30" or 2026-12-04, in the plan's time zone`))
	})

	It("is whom to ask, where one has no rights", func(ctx SpecContext) {
		nobody := cluster.Kubeconfig(cluster.AsServiceAccount(ctx, controlPlane, direct, "nobody"))
		got := runOn(ctx, &cli.Terminal{}, "status --kubeconfig "+nobody)
		Expect(got.status).To(Equal(3))
		Expect(got.err).To(And(HavePrefix("error: the cluster at https://cluster.example refuses: partners.partner.dispel.com is forbidden"), ContainSubstring("cannot list"), ContainSubstring("have an administrator bind the operator's ClusterRole for viewers to you (partner-operator-viewer")))
	})

	It("is how a week around the clock is covered, and that one person cannot do it", func(ctx SpecContext) {
		const folder = "coverage acme -f config/plans -f examples/follow-the-sun"
		got := run(ctx, folder)
		Expect(got.out).To(ContainSubstring("acme   All 168 operating hours of a week have a P-CSM on duty."), got.err)
		Expect(run(ctx, "plan -f config/plans -f examples/follow-the-sun").status).To(BeZero())
		Expect(run(ctx, folder+" --now --time-zone Asia/Tokyo").out).To(ContainSubstring("0.5 FTE of acme-africa-week, who speak en, until Wed 2026-12-02 01:00 JST"))
		Expect(run(ctx, "coverage --now").err).To(ContainSubstring("write its name"))
		Expect(run(ctx, "coverage hooli --now").err).To(ContainSubstring("no active allocation declares shifts"))
	})

	It("is who is on duty when, with those who are away, at 80 columns", func(ctx SpecContext) {
		out := at(ctx, 80, "coverage acme")
		Expect(out).To(MatchRegexp(`(?m)^ +now ▼\n[A-Z][a-z]{2} 2026`))
		Expect(out).To(MatchRegexp(`(?m)^acme-emea  1.5 FTE, de, en\n  [█▄·]{8} [█▄·]{8} `))
		for line := range strings.Lines(out) {
			Expect(len([]rune(strings.TrimRight(line, "\n")))).To(BeNumerically("<=", 80), line)
		}
	})

	Context("as the shifts that suffice", func() {
		// follow writes what a command prints beside the manifests of the samples, as a pull request would.
		follow := func(ctx SpecContext, line string) (folder string) {
			GinkgoHelper()
			got := run(ctx, line)
			Expect(got.status).To(BeZero(), got.err)
			folder = GinkgoT().TempDir()
			Expect(os.CopyFS(folder, os.DirFS("config/samples/platform"))).To(Succeed())
			Expect(os.Remove(filepath.Join(folder, "kustomization.yaml"))).To(Or(Succeed(), MatchError(os.ErrNotExist)))
			changed, err := filepath.Glob("config/samples/partners/acme*")
			Expect(err).NotTo(HaveOccurred())
			for _, file := range changed {
				data, err := os.ReadFile(file)
				Expect(err).NotTo(HaveOccurred())
				for i, document := range strings.Split(string(data), "\n---\n") {
					name := regexp.MustCompile(`(?m)^kind: PCSMAllocation\nmetadata:\n  name: (.*)$`).FindStringSubmatch(document)
					if name != nil && strings.Contains(got.out, "\n  name: "+name[1]+"\n") {
						continue // the proposal has it
					}
					Expect(os.WriteFile(filepath.Join(folder, fmt.Sprint(filepath.Base(file), i, ".yaml")), []byte(document), 0o600)).To(Succeed())
				}
			}
			Expect(os.WriteFile(filepath.Join(folder, "proposed.yaml"), []byte(got.out), 0o600)).To(Succeed())
			return folder
		}

		It("is applied, and covers all hours", func(ctx SpecContext) {
			folder := follow(ctx, "coverage acme --propose -f config/samples")
			got := run(ctx, "coverage acme -f "+folder)
			Expect(got.err).To(BeEmpty())
			Expect(got.out).To(ContainSubstring("All 168 operating hours of a week have a P-CSM on duty."))
			Expect(run(ctx, "coverage acme --propose -f "+folder).out).To(ContainSubstring("# Nothing is to be changed."))
		})

		It("is applied with those who are there, and leaves as few hours as it says", func(ctx SpecContext) {
			folder := follow(ctx, "coverage acme --with-fte 3 -f config/samples")
			Expect(run(ctx, "coverage acme -f "+folder).out).To(ContainSubstring("acme   14 of 168 operating hours a week have no P-CSM on duty"))
		})

		It("is the same each time", func(ctx SpecContext) {
			Expect(run(ctx, "coverage acme --propose -o json --zones Asia/Tokyo,Europe/Berlin").out).To(Equal(run(ctx, "coverage acme --propose -o json --zones Asia/Tokyo,Europe/Berlin").out))
		})

		DescribeTable("refuses what makes no sense", func(ctx SpecContext, line string, status int, message string) {
			got := run(ctx, line)
			Expect(got.status).To(Equal(status), got.err)
			Expect(got.err).To(ContainSubstring(message))
		},
			Entry("for all", "coverage --propose", 2, "--propose and --with-fte are about the regular week of one partner: write its name"),
			Entry("both", "coverage acme --propose --with-fte 3", 2, "one of the two"),
			Entry("zones of nothing", "coverage acme --zones UTC", 2, "--zones is about a proposal: write --propose or --with-fte besides"),
			Entry("an unknown zone", "coverage acme --propose --zones Berlin", 2, "--zones: "),
			Entry("a quarter of a person", "coverage acme --with-fte 0.25", 2, "--with-fte 0.25: "),
			Entry("nobody", "coverage acme --with-fte 0", 2, "--with-fte 0: the least is 0.5"),
			Entry("fewer than there are", "coverage acme --with-fte 2", 3, `nothing can be proposed for "acme": acme has 3 active FTE, more than 2: end or change an allocation first`),
			Entry("a reseller", "coverage wonka --propose", 3, `"wonka" is a Distributor: only an OEM or MSP can have P-CSMs`),
		)
	})

	It("is every condition of a partner", func(ctx SpecContext) {
		got := run(ctx, "status acme --show-conditions")
		Expect(got.out).To(HavePrefix(run(ctx, "status acme").out), got.err)
		Expect(got.out).To(MatchRegexp(`(?m)^CONDITION +STATUS +REASON +FOR +MESSAGE$`))
		Expect(got.out).To(MatchRegexp(`(?m)^HoursCovered +False +HoursUncovered +\S+ +56 of 168 operating hours`))
		Expect(at(ctx, 60, "status acme --show-conditions")).NotTo(ContainSubstring("…"))
		Expect(run(ctx, "status --show-conditions").err).To(ContainSubstring("write its name"))
	})

	It("is that nothing is declared", func(ctx SpecContext) {
		read := func(line string) result {
			return runOn(ctx, &cli.Terminal{In: bytes.NewBufferString("{apiVersion: v1, kind: Namespace, metadata: {name: a}}\n")}, line)
		}
		got := read("plan -f -")
		Expect(got.status).To(Equal(1))
		Expect(got.out).To(ContainSubstring("there is no Partner, SupportPlan or PCSMAllocation in these manifests (documents read: 1): name the folder that has them, or write --allow-empty"))
		Expect(read("plan -f - --allow-empty").status).To(BeZero())
		Expect(read("plan -f - -o junit").out).To(ContainSubstring(`<testcase name="NothingDeclared"`))
		Expect(read("coverage -f -").err).NotTo(ContainSubstring("--allow-empty"), "which coverage does not have")
	})

	It("is a command's own flags", func(ctx SpecContext) {
		help := run(ctx, "coverage --help").out
		Expect(help).To(And(ContainSubstring("--time-zone"), Not(ContainSubstring("--kubeconfig")), ContainSubstring(`Use "kubectl partner options" for kubectl's flags`)))
		Expect(run(ctx, "options").out).To(ContainSubstring("--kubeconfig"))
	})

	DescribeTable("is what one asks for", func(ctx SpecContext, flags string, there, absent []string) {
		got := run(ctx, "status "+flags)
		Expect(got.status).To(BeZero(), got.err)
		for _, name := range there {
			Expect(got.out).To(ContainSubstring(" " + name + " "))
		}
		for _, name := range absent {
			Expect(got.out).NotTo(ContainSubstring(" " + name + " "))
		}
	},
		Entry("by problems", "--problems", []string{"vandelay", "globex"}, []string{"stark", "wayne"}),
		Entry("by tier", "--tier MissionCritical", []string{"globex"}, []string{"vandelay", "acme"}),
		Entry("by labels", "-l region=nowhere", nil, []string{"acme"}),
	)

	It("refuses to choose among one", func(ctx SpecContext) {
		Expect(run(ctx, "status acme --problems").err).To(ContainSubstring("--problems, --tier and --selector choose among all partners: leave out the name"))
		Expect(run(ctx, "status --tier Gold").err).To(ContainSubstring(`"Gold" is none of Basic, Premium, MissionCritical`))
		Expect(run(ctx, "status -l 'a in'").err).To(ContainSubstring(`--selector "a in": `))
		Expect(run(ctx, "status -l region=nowhere").err).To(Equal("None of 9 partners matches.\n"))
	})

	// watch runs status until it is told to end.
	watch := func(ctx SpecContext, terminal *cli.Terminal, args ...string) (end func()) {
		watching, stop := context.WithCancel(ctx)
		ended := make(chan int, 1)
		go func() {
			defer GinkgoRecover()
			ended <- cli.Run(watching, terminal, append([]string{"status", "--watch", "--kubeconfig", reader}, args...))
		}()
		return func() {
			GinkgoHelper()
			stop()
			Eventually(ended, "10s").Should(Receive(BeZero()))
		}
	}

	It("is said once while it stays the same", func(ctx SpecContext) {
		told := gbytes.NewBuffer()
		end := watch(ctx, &cli.Terminal{Out: GinkgoWriter, Err: told}, "-l", "region=nowhere")
		Eventually(told, "30s").Should(gbytes.Say("None of 9 partners matches.\n"))
		Consistently(told, "5s").ShouldNot(gbytes.Say("None"))
		end()
	})

	It("is shown again when it changes", func(ctx SpecContext) {
		out := gbytes.NewBuffer()
		end := watch(ctx, &cli.Terminal{Out: out, Err: GinkgoWriter}, "wonka")
		Eventually(out, "30s").Should(gbytes.Say("Partner wonka   Wonka, Distributor"))
		kubectl(ctx, "patch", "partner", "wonka", "--type=merge", `--patch={"spec":{"displayName":"Wonka Industries"}}`)
		DeferCleanup(func(ctx SpecContext) {
			kubectl(ctx, "patch", "partner", "wonka", "--type=merge", `--patch={"spec":{"displayName":"Wonka"}}`)
			kubectl(ctx, "wait", "partner", "wonka", "--for=condition=Ready", "--timeout=60s")
		})
		Eventually(out, "30s").Should(gbytes.Say("Partner wonka   Wonka Industries, Distributor"))
		end()
	})
})
