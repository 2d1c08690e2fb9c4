package main

import (
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
)

// report is what a run found.
type report struct {
	Machine string `json:"machine"`
	// Workers is how much each does at once: the plain client, the manager and the
	// people who write YAML.
	Workers     int          `json:"workers"`
	Comparisons []comparison `json:"comparisons"`
	Fleets      []fleet      `json:"fleets"`
	Races       races        `json:"races"`
	Admission   admission    `json:"admission"`
	Probing     probing      `json:"probing,omitzero"`
}

// comparison is one turn of each: a plain client that creates objects, one that
// writes their status, too, and the operator.
type comparison struct {
	Created  floor       `json:"created"`
	Finished floor       `json:"finished"`
	Operator convergence `json:"operator"`
}

func machine() string {
	model := "unknown"
	if fs, err := procfs.NewDefaultFS(); err == nil {
		if cpus, err := fs.CPUInfo(); err == nil && len(cpus) > 0 {
			model = cpus[0].ModelName
		}
		if memory, err := fs.Meminfo(); err == nil && memory.MemTotal != nil {
			model += fmt.Sprintf(", %d GiB", *memory.MemTotal>>20)
		}
	}
	return fmt.Sprintf("%d cores of %s, %s/%s, %s", runtime.NumCPU(), model, runtime.GOOS, runtime.GOARCH, runtime.Version())
}

const mebibyte = 1 << 20

// markdown shows the report to people.
func (r *report) markdown() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("On %s; etcd, API server, kube-controller-manager, manager and client together. The plain client does %d things at once, and so do the people who declare partners and the manager. "+
		"kube-controller-manager makes up to 5,000 requests a second, so that its garbage collection is not what a deletion waits for; by default it makes 20.\n", r.Machine, r.Workers)
	if len(r.Comparisons) > 0 {
		line("| %d partners | plain client, creating | plain client, creating and writing status | operator | operator ÷ creating | operator ÷ both |", r.Comparisons[0].Operator.Partners)
		line("|---|---|---|---|---|---|")
		var created, finished, createdCPU, finishedCPU, managerCPU []float64
		for i, c := range r.Comparisons {
			created = append(created, c.Operator.Seconds/c.Created.Seconds)
			finished = append(finished, c.Operator.Seconds/c.Finished.Seconds)
			createdCPU, finishedCPU = append(createdCPU, c.Created.CPU), append(finishedCPU, c.Finished.CPU)
			managerCPU = append(managerCPU, c.Operator.Manager.CPU)
			line("| round %d | %.1f s, %d writes | %.1f s, %d writes | %.1f s, %d writes | %.2f | %.2f |", i+1, c.Created.Seconds, c.Created.Writes,
				c.Finished.Seconds, c.Finished.Writes, c.Operator.Seconds, c.Operator.Writes+3*c.Operator.Partners, created[i], finished[i])
		}
		median := func(of []float64) float64 { return quantile(slices.Sorted(slices.Values(of)), 0.5) }
		line("| median | | | | **%.2f** | **%.2f** |", median(created), median(finished))
		if median(createdCPU) > 0 { // reports of earlier versions do not have it
			cpu := func(of []float64) float64 { return 1000 * median(of) / float64(r.Comparisons[0].Operator.Partners) }
			line("| client's CPU a partner, median | %.1f ms | %.1f ms | %.1f ms (manager's) | | |", cpu(createdCPU), cpu(finishedCPU), cpu(managerCPU))
		}
		line("")
	}
	row := func(what string, cell func(f fleet) string) {
		cells := []string{what}
		for _, f := range r.Fleets {
			cells = append(cells, cell(f))
		}
		line("| %s |", strings.Join(cells, " | "))
	}
	per := func(n int, f fleet) string { return fmt.Sprintf("%.4g", float64(n)/float64(f.Partners)) }
	ms := func(seconds float64, f fleet) string { return fmt.Sprintf("%.1f ms", 1000*seconds/float64(f.Partners)) }
	memory := func(after, peak uint64) string { return fmt.Sprintf("%d and %d MiB", after/mebibyte, peak/mebibyte) }
	row("partners", func(f fleet) string { return fmt.Sprint(f.Partners) })
	line("|---%s|", strings.Repeat("|---", len(r.Fleets)))
	row("**declared until all Ready**", func(f fleet) string { return fmt.Sprintf("%.1f s", f.Convergence.Seconds) })
	row("a partner", func(f fleet) string { return ms(f.Convergence.Seconds, f) })
	row("creation to Ready, p50 / p90 / p99", func(f fleet) string {
		return fmt.Sprintf("%.2f / %.2f / %.2f s", f.Convergence.P50, f.Convergence.P90, f.Convergence.P99)
	})
	row("writes a partner", func(f fleet) string { return per(f.Convergence.Writes, f) })
	row("Events a partner", func(f fleet) string { return per(f.Convergence.Events, f) })
	row("reads", func(f fleet) string { return fmt.Sprint(f.Convergence.Reads) })
	row("manager's CPU a partner", func(f fleet) string { return ms(f.Convergence.Manager.CPU, f) })
	row("API server's and etcd's CPU a partner", func(f fleet) string {
		return ms(f.Convergence.Others["kube-apiserver"]+f.Convergence.Others["etcd"], f)
	})
	row("manager's memory after, and peak", func(f fleet) string { return memory(f.Convergence.Manager.Memory, f.Convergence.Manager.Peak) })
	row("limit: 64 MiB and 56 KiB a partner", func(f fleet) string { return fmt.Sprintf("%d MiB", 64+f.Partners*56/1024) })
	stepRows := func(what string, of func(f fleet) step) {
		row("**"+what+"**", func(f fleet) string { return fmt.Sprintf("%.1f s", of(f).Seconds) })
		row("writes, Events, reads", func(f fleet) string { return fmt.Sprintf("%d, %d, %d", of(f).Writes, of(f).Events, of(f).Reads) })
		row("manager's CPU a partner", func(f fleet) string { return ms(of(f).CPU, f) })
		row("manager's memory after, and peak", func(f fleet) string { return memory(of(f).Memory, of(f).Peak) })
	}
	stepRows("manager restarted, until idle", func(f fleet) step { return f.Restart })
	row("**one changed right after a restart, until its status says so**", func(f fleet) string {
		if f.ChangeMedian > 0 {
			return fmt.Sprintf("%.2f s, median %.2f s", f.Change, f.ChangeMedian)
		}
		return fmt.Sprintf("%.2f s", f.Change)
	})
	stepRows("quiet, three resyncs", func(f fleet) step { return f.Quiet })
	stepRows("shared plan edited", func(f fleet) step { return f.Plan })
	if slices.ContainsFunc(r.Fleets, func(f fleet) bool { return f.ChangeDuringEdit.Partners > 0 }) {
		row("**one changed right after such an edit, until its status says so**, p50 / p99", func(f fleet) string {
			return fmt.Sprintf("%.2f / %.2f s", f.ChangeDuringEdit.P50, f.ChangeDuringEdit.P99)
		})
	}
	stepRows("all allocations raised", func(f fleet) step { return f.Raise })
	row("**one deleted, until nothing of it is exposed**", func(f fleet) string { return fmt.Sprintf("%.0f ms", 1000*f.DeletionOfOne) })
	row("**all deleted, until nothing of them is exposed**", func(f fleet) string { return fmt.Sprintf("%.1f s", f.DeletionOfAll) })
	row("a partner", func(f fleet) string { return ms(f.DeletionOfAll, f) })
	row("writes", func(f fleet) string { return fmt.Sprint(f.Deletion.Writes) })
	row("manager's CPU a partner", func(f fleet) string { return ms(f.Deletion.CPU, f) })
	row("manager's memory after, and peak", func(f fleet) string { return memory(f.Deletion.Memory, f.Deletion.Peak) })
	if growth := r.growth(); len(growth) > 0 {
		few, many := r.ends()
		line("\nCost of one partner among %d, divided by that of one among %d; 1 is linear:\n", many.Partners, few.Partners)
		line("| | time | manager's CPU |")
		line("|---|---|---|")
		for _, g := range growth {
			line("| %s | %.2f | %.2f |", g.what, g.time, g.cpu)
		}
	}
	if a := r.Admission; len(a.With) > 0 {
		line("\nA tenant's administrator creates an Ingress among %d tenants, %d times in a round. The median time without the admission policies was %s ms, with them %s ms.\n",
			a.Partners, a.Writes, milliseconds(a.Without), milliseconds(a.With))
	}
	if p := r.Probing; p.Partners > 0 {
		line("\nOne prober had probed %d sub-domains on loopback for the first time after %.0f s. In the %.0f s after that it probed %d, and used %.2f of a core and at most %d MiB; it wrote %d times and read %d.",
			p.Partners, p.First, p.Seconds, p.Probes, p.CPU/p.Seconds, p.Peak/mebibyte, p.Writes, p.Reads)
	}
	if r.Races.Hosts > 0 {
		line("\nEach of %d hosts was declared by two partners at the same time: %d had one holder, and %d partners reported who holds theirs, all within %.1f s.",
			r.Races.Hosts, r.Races.Held, r.Races.Told, r.Races.Seconds)
	}
	return b.String()
}

// growth is how much more a step costs a partner among many than among few.
type growth struct {
	what      string
	time, cpu float64
}

// enough partners are so many that what does not depend on their number shows
// little.
const enough = 1000

// ends are the smallest fleet that has enough partners, and the largest.
func (r *report) ends() (few, many fleet) {
	for _, f := range r.Fleets {
		if f.Partners >= enough && (few.Partners == 0 || f.Partners < few.Partners) {
			few = f
		}
		if f.Partners > many.Partners {
			many = f
		}
	}
	return few, many
}

// growth is that of each step that concerns all partners; empty if there is but one
// fleet that has enough.
func (r *report) growth() []growth {
	few, many := r.ends()
	if few.Partners == 0 || few.Partners == many.Partners {
		return nil
	}
	times := float64(many.Partners) / float64(few.Partners)
	between := func(what string, before, after step) growth {
		return growth{what, after.Seconds / before.Seconds / times, after.CPU / before.CPU / times}
	}
	ready := func(f fleet) step { return step{Seconds: f.Convergence.Seconds, CPU: f.Convergence.Manager.CPU} }
	gone := func(f fleet) step { return step{Seconds: f.DeletionOfAll, CPU: f.Deletion.CPU} }
	return []growth{
		between("declared until all Ready", ready(few), ready(many)),
		between("manager restarted, until idle", few.Restart, many.Restart),
		between("shared plan edited", few.Plan, many.Plan),
		between("all allocations raised", few.Raise, many.Raise),
		between("all deleted", gone(few), gone(many)),
	}
}

// milliseconds lists times.
func milliseconds(times []float64) string {
	var texts []string
	for _, time := range times {
		texts = append(texts, fmt.Sprintf("%.1f", time))
	}
	return strings.Join(texts, ", ")
}

// Around the part of a page that shows a report.
const begin, end = "<!-- by hack/bench -->\n", "<!-- until here -->\n"

// updatePage puts the report's part into a page.
func updatePage(path, part string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(page), begin)
	_, after, ended := strings.Cut(rest, end)
	if !ok || !ended {
		return fmt.Errorf("%s has no %q and %q", path, begin, end)
	}
	return os.WriteFile(path, []byte(before+begin+part+end+after), 0o600)
}
