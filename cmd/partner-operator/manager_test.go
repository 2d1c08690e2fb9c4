package main

import (
	"testing"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

func Test(t *testing.T) {
	RegisterFailHandler(Fail)
	RunSpecs(t, "cmd/partner-operator")
}

var _ = Describe("The manager's flags", func() {
	DescribeTable("are refused with a remedy",
		func(refusal string, args ...string) {
			cmd := newManagerCommand()
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs(args)
			Expect(cmd.Execute()).To(MatchError(ContainSubstring(refusal)))
		},
		Entry("no workers", `--workers "0": write at least 1`, "--workers=0"),
		Entry("no time at all", `--resync-period "0s": write a duration above zero`, "--resync-period=0"),
		Entry("a wave without a pause", `--wave "10%": write a share above 0% and up to 100% and a pause of 0s or more, such as 10%/1m`, "--wave=10%"),
		Entry("a wave of nobody", `--wave "0%/1m": write a share`, "--wave=0%/1m"),
		Entry("a wave of more than all", `--wave "101%/1m": write a share`, "--wave=101%/1m"),
		Entry("a limit below zero", `--max-unreachable "-1": write 0 or more, such as 3`, "--max-unreachable=-1"),
		Entry("a setting, beside another fault", `--gateway "public": write namespace/name`, "--workers=0", "--gateway=public"),
	)

	DescribeTable("that divided the partners are answered with what to do",
		func(cmd *cobra.Command, flag string) {
			cmd.SilenceErrors, cmd.SilenceUsage = true, true
			cmd.SetArgs([]string{flag + "=1/3"})
			Expect(cmd.Execute()).To(MatchError(ContainSubstring(flag + ` "1/3": ` + noShards)))
			Expect(cmd.Flags().FlagUsages()).NotTo(ContainSubstring("shard"))
		},
		Entry("of the manager", newManagerCommand(), "--shard"),
		Entry("of the prober", newProbeCommand(), "--shard"),
		Entry("of the check", newCheckCommand(), "--shards"),
	)

	It("come from the environment where the command line is silent", func() {
		environment := map[string]string{"PARTNER_OPERATOR_INGRESS_CLASS": "traefik", "PARTNER_OPERATOR_WORKERS": "3"}
		lookup := func(name string) (string, bool) { value, ok := environment[name]; return value, ok }
		flags := newManagerCommand().Flags()
		Expect(flags.Parse([]string{"--workers=5"})).To(Succeed())
		Expect(fromEnvironment(flags, lookup)).To(Succeed())
		Expect(value(flags, "ingress-class")).To(Equal("traefik"))
		Expect(value(flags, "workers")).To(Equal("5"))

		environment["PARTNER_OPERATOR_RESYNC_PERIOD"] = "soon"
		Expect(fromEnvironment(flags, lookup)).To(MatchError(ContainSubstring("environment variable PARTNER_OPERATOR_RESYNC_PERIOD")))
	})

	It("name the logs that there are", func() {
		Expect((&logFlags{level: "loud", format: "json"}).setUp()).To(MatchError(ContainSubstring(`--log-level "loud": write debug, info, warn or error`)))
		Expect((&logFlags{level: "info", format: "xml"}).setUp()).To(MatchError(ContainSubstring(`--log-format "xml": write json or text`)))
	})
})

func value(flags *pflag.FlagSet, name string) string {
	return flags.Lookup(name).Value.String()
}
