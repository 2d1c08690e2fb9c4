// Package cli is the kubectl plugin: its commands, and how they talk to people and
// to programs. What they say comes from the packages that the controllers use.
package cli

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/build"
	"github.com/dispel/partner-operator/internal/fleet"
)

// The exit statuses.
const (
	exitFine       = 0
	exitViolations = 1
	exitUsage      = 2
	exitFailed     = 3
)

// usageError is of a command line that makes no sense.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// errViolations says that something was found that must not be. The findings are
// printed already.
var errViolations = errors.New("violations were found")

// Run runs a command line and returns its exit status: 0 if all is well, 1 for
// violations, 2 for a command line that makes no sense, 3 if a cluster or a file
// cannot be read.
func Run(ctx context.Context, terminal *Terminal, args []string) int {
	root := newRoot(terminal)
	command, err := execute(ctx, root, args)
	said := func() string {
		lines := strings.Split(err.Error(), "\n")
		for i := range lines {
			lines[i] = clean(lines[i]) // it can quote a cluster or a file
			if i > 0 && lines[i] != "" {
				lines[i] = "  " + lines[i] // so that no quoted line stands for one of ours
			}
		}
		return strings.Join(lines, "\n")
	}
	switch _, usage := errors.AsType[usageError](err); {
	case err == nil:
		return exitFine
	case errors.Is(err, errViolations):
		return exitViolations
	case usage || strings.HasPrefix(err.Error(), "unknown command"):
		fmt.Fprintf(terminal.Err, "error: %s\nSee `%s --help`.\n", said(), command.CommandPath())
		return exitUsage
	}
	fmt.Fprintf(terminal.Err, "error: %s\n", said())
	return exitFailed
}

// execute makes an error of a fault of this program.
func execute(ctx context.Context, root *cobra.Command, args []string) (command *cobra.Command, err error) {
	command = root
	defer func() {
		if cause := recover(); cause != nil {
			err = fmt.Errorf("a fault of this program: %v; please report it with what you ran", cause)
		}
	}()
	root.SetArgs(args)
	command, err = root.ExecuteContextC(ctx)
	if word := root.Flags().Arg(0); err != nil && command == root && strings.HasPrefix(err.Error(), "unknown command") {
		err = fmt.Errorf("unknown command %q", word)
		root.SuggestionsMinimumDistance = 2
		if near := root.SuggestionsFor(word); len(near) > 0 {
			err = fmt.Errorf("%w: did you mean %s?", err, strings.Join(near, " or "))
		}
	}
	return command, err
}

func newRoot(terminal *Terminal) *cobra.Command {
	root := &cobra.Command{
		Use:   "kubectl-partner",
		Short: "See, plan and explain a fleet of partners",
		Long: "See, plan and explain a fleet of partners. Nothing it does writes to a cluster.\n\n" +
			"The exit status is 0 if all is well, 1 for violations, 2 for a command line that makes no sense,\n" +
			"and 3 if a cluster or a file cannot be read.",
		Annotations:   map[string]string{cobra.CommandDisplayNameAnnotation: "kubectl partner"},
		Version:       build.Version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetIn(terminal.In)
	root.SetOut(terminal.Out)
	root.SetErr(terminal.Err)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	p := &plugin{terminal: terminal, version: root.Version, connection: genericclioptions.NewConfigFlags(true)}
	p.connection.AddFlags(root.PersistentFlags())
	p.completeConnection(root)
	root.AddCommand(p.newStatusCommand(), p.newCheckCommand(), p.newDNSCommand(), p.newCapacityCommand(), p.newCoverageCommand(), p.newDeadlineCommand(), p.newPlanCommand(), p.newImportCommand(), newSimulateCommand(), p.newRACICommand(), p.newReportCommand())
	root.AddCommand(newOptionsCommand())
	// A command's own flags would be lost among those of every one.
	root.SetUsageTemplate(regexp.MustCompile(`(?s)Global Flags:\n.*?\{\{end\}\}`).ReplaceAllString(root.UsageTemplate(),
		"Use \"{{.Root.DisplayName}} options\" for kubectl's flags, which say which cluster to read.{{end}}"))
	for _, command := range root.Commands() {
		command.Flags().SortFlags = false // what belongs together stands together
	}
	return root
}

// newOptionsCommand shows the flags of every command, as kubectl's own does.
func newOptionsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "options",
		Short: "Show the flags that every command has, which are kubectl's",
		Args:  arguments(cobra.NoArgs),
		Run: func(cmd *cobra.Command, _ []string) {
			cmd.Printf("These flags can be passed to any command:\n\n%s", cmd.InheritedFlags().FlagUsages())
		},
	}
}

// plugin is what the commands share.
type plugin struct {
	terminal   *Terminal
	version    string
	connection *genericclioptions.ConfigFlags
}

// readFleet reads the operator's own kinds from the cluster.
func (p *plugin) readFleet(ctx context.Context) (*cluster, *fleet.Fleet, error) {
	c, err := connect(p.terminal, p.connection, p.version)
	if err != nil {
		return nil, nil, err
	}
	f, err := c.fleet(ctx)
	return c, f, err
}

// completeConnection proposes what kubectl does for its own flags: the entries of the
// kubeconfig, and the namespaces of the cluster.
func (p *plugin) completeConnection(root *cobra.Command) {
	entries := map[string]func(clientcmdapi.Config) []string{
		"context": func(c clientcmdapi.Config) []string { return slices.Collect(maps.Keys(c.Contexts)) },
		"cluster": func(c clientcmdapi.Config) []string { return slices.Collect(maps.Keys(c.Clusters)) },
		"user":    func(c clientcmdapi.Config) []string { return slices.Collect(maps.Keys(c.AuthInfos)) },
	}
	for flag, names := range entries {
		completeFlag(root, flag, func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			config, err := p.connection.ToRawKubeConfigLoader().ConfigAccess().GetStartingConfig()
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return slices.Sorted(slices.Values(names(*config))), cobra.ShellCompDirectiveNoFileComp
		})
	}
	completeFlag(root, "namespace", func(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
		return p.complete(cmd.Context(), &corev1.NamespaceList{})
	})
}

// completePartner proposes the names of Partners.
func (p *plugin) completePartner(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return p.complete(cmd.Context(), &v1alpha1.PartnerList{})
}

// completePlan proposes the names of SupportPlans.
func (p *plugin) completePlan(cmd *cobra.Command, _ []string, _ string) ([]string, cobra.ShellCompDirective) {
	return p.complete(cmd.Context(), &v1alpha1.SupportPlanList{})
}

func (p *plugin) complete(ctx context.Context, list client.ObjectList) ([]string, cobra.ShellCompDirective) {
	c, err := connect(p.terminal, p.connection, p.version)
	if err != nil || c.reader.List(ctx, list) != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	var names []string
	_ = meta.EachListItem(list, func(item runtime.Object) error {
		names = append(names, item.(client.Object).GetName())
		return nil
	})
	return names, cobra.ShellCompDirectiveNoFileComp
}

// arguments makes what is wrong with the arguments of a command a usage error.
func arguments(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usageError{fmt.Errorf("%q is no valid command line: write %s", strings.Join(append([]string{cmd.CommandPath()}, args...), " "), strings.TrimSuffix(cmd.UseLine(), " [flags]"))}
		}
		return nil
	}
}
