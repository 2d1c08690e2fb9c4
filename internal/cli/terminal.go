package cli

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/list"
	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// Terminal is where a command reads and writes, and what it may do there.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	// Width is how many columns Out has; 0 if it is no terminal.
	Width int
	// Colour reports whether Out takes colours.
	Colour bool
	// Now tells the time; the system's if nil.
	Now func() time.Time
	// Live reports whether Err is a terminal, on which a line can be written over.
	Live bool
	// Patience is how long a command works before it tells how far it is; a second if
	// zero.
	Patience time.Duration
}

// NewTerminal finds out what the streams can do. Colours are for terminals only,
// and not where the environment has NO_COLOR or TERM=dumb (https://no-color.org).
func NewTerminal(in io.Reader, out, err *os.File, environment func(string) (string, bool)) *Terminal {
	t := &Terminal{In: in, Out: out, Err: err, Live: term.IsTerminal(int(err.Fd()))}
	if fd := int(out.Fd()); term.IsTerminal(fd) {
		t.Width, _, _ = term.GetSize(fd)
		t.Colour = takesColours(environment)
	}
	return t
}

// now is the time.
func (t *Terminal) now() time.Time {
	if t.Now != nil {
		return t.Now()
	}
	return time.Now()
}

// takesColours reports whether the environment of a terminal lets it have colours.
func takesColours(environment func(string) (string, bool)) bool {
	noColour, _ := environment("NO_COLOR")
	kind, _ := environment("TERM")
	return noColour == "" && kind != "dumb"
}

// paint colours a text, if the terminal takes colours.
func (t *Terminal) paint(colour text.Color, s string) string {
	if !t.Colour || s == "" {
		return s
	}
	return colour.EscapeSeq() + s + text.Reset.EscapeSeq()
}

// newTable makes a table as kubectl prints it, for fit or fitWithNotes.
func (t *Terminal) newTable(header ...any) cleanTable {
	w := table.NewWriter()
	w.SetStyle(table.Style{
		Box:     table.BoxStyle{PaddingRight: "   "},
		Format:  table.FormatOptions{Header: text.FormatUpper, Footer: text.FormatDefault},
		Options: table.OptionsNoBordersAndSeparators,
	})
	w.SuppressTrailingSpaces()
	w.AppendHeader(header)
	return cleanTable{w, t, header}
}

// newTree makes a tree, without its root.
func (t *Terminal) newTree() list.Writer {
	w := list.NewWriter()
	style := list.StyleConnectedLight
	style.CharItemTop, style.CharItemFirst, style.CharItemSingle = style.CharItemMiddle, style.CharItemMiddle, style.CharItemBottom
	w.SetStyle(style)
	return w
}

// wrap cleans a text, and breaks it where the terminal ends, if it is one, for a place that is
// indented by some columns.
func (t *Terminal) wrap(s string, indent int) string {
	const least = 30
	s = t.clean(s)
	if t.Width == 0 {
		return s
	}
	lines := strings.Split(text.WrapSoft(s, max(least, t.Width-indent)), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// clean makes a text of somebody else harmless to a terminal and to the log of a CI
// server, which both obey what a line begins with or escapes, and to its reader: it ends no
// line, and turns no other text around.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Bidi_Control) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

// colours are those that this program paints with.
var colours = []string{
	text.Reset.EscapeSeq(), text.Bold.EscapeSeq(), text.Faint.EscapeSeq(),
	text.FgRed.EscapeSeq(), text.FgGreen.EscapeSeq(), text.FgYellow.EscapeSeq(), text.FgBlue.EscapeSeq(), text.FgHiBlack.EscapeSeq(), text.FgCyan.EscapeSeq(),
}

// clean cleans a text in which there can be colours of ours, if the terminal takes any.
func (t *Terminal) clean(s string) string {
	if !t.Colour || !strings.Contains(s, "\x1b") {
		return clean(s)
	}
	var b strings.Builder
next:
	for s != "" {
		plain, rest, found := strings.Cut(s, "\x1b")
		b.WriteString(clean(plain))
		if !found {
			break
		}
		for _, colour := range colours {
			if after, ours := strings.CutPrefix("\x1b"+rest, colour); ours {
				b.WriteString(colour)
				s = after
				continue next
			}
		}
		b.WriteRune(unicode.ReplacementChar)
		s = rest
	}
	return b.String()
}

// cleanTable cleans the texts of its rows.
type cleanTable struct {
	table.Writer
	terminal *Terminal
	header   table.Row
}

// AppendRow implements table.Writer.
func (c cleanTable) AppendRow(row table.Row, configs ...table.RowConfig) {
	cleaned := slices.Clone(row)
	for i, cell := range cleaned {
		if v := reflect.ValueOf(cell); v.Kind() == reflect.String {
			cleaned[i] = c.terminal.clean(v.String())
		}
	}
	c.Writer.AppendRow(cleaned, configs...)
}

// fit renders a table, by one rule for all: where it is wider than the terminal, its lesser columns
// go, one by one, and then its widest ones are broken into lines. numbers are columns that stand to
// the right.
func (t *Terminal) fit(w cleanTable, numbers, lesser []string) {
	const broad, narrow = 60, 8 // of a column
	rendered := t.withoutLesser(w, numbers, lesser)
	for width := broad; !t.fits(rendered) && width >= narrow; width-- {
		rendered = w.laidOut(numbers, lesser, width)
	}
	fmt.Fprintln(t.Out, rendered)
}

// fitWithNotes renders a table whose rows have notes, in a last column if that fits in the terminal,
// and else each below its row, so that none is cut off.
func (t *Terminal) fitWithNotes(w cleanTable, title string, notes []string, lesser ...string) {
	const gap = "   "
	lines := strings.Split(t.withoutLesser(w, nil, lesser), "\n")
	wide := 0
	for _, line := range lines {
		wide = max(wide, text.StringWidthWithoutEscSequences(line))
	}
	beside := t.Width == 0 || !slices.ContainsFunc(append([]string{title}, notes...), func(note string) bool { return wide+len(gap)+text.StringWidthWithoutEscSequences(note) > t.Width })
	for i, line := range lines {
		note := strings.ToUpper(title)
		if i > 0 {
			note = notes[i-1]
		}
		switch {
		case beside && note != "":
			line = text.Pad(line, wide, ' ') + gap + note
		case i > 0 && note != "":
			line += "\n" + gap + " " + strings.ReplaceAll(t.wrap(note, len(gap)+1), "\n", "\n"+gap+" ")
		}
		fmt.Fprintln(t.Out, line)
	}
}

// withoutLesser is a table without as many of its lesser columns as do not fit.
func (t *Terminal) withoutLesser(w cleanTable, numbers, lesser []string) string {
	rendered := w.laidOut(numbers, nil, 0)
	for hidden := 1; !t.fits(rendered) && hidden <= len(lesser); hidden++ {
		rendered = w.laidOut(numbers, lesser[:hidden], 0)
	}
	return rendered
}

func (t *Terminal) fits(rendered string) bool {
	return t.Width == 0 || text.LongestLineLen(rendered) <= t.Width
}

// laidOut is a table without some columns, whose others are at most some characters wide; 0 is any
// width.
func (c cleanTable) laidOut(numbers, hidden []string, width int) string {
	var configs []table.ColumnConfig
	for i, cell := range c.header {
		name := fmt.Sprint(cell)
		config := table.ColumnConfig{Number: i + 1, Hidden: slices.Contains(hidden, name), WidthMax: width, WidthMaxEnforcer: text.WrapSoft}
		if slices.Contains(numbers, name) {
			config.Align, config.AlignHeader = text.AlignRight, text.AlignRight
		}
		configs = append(configs, config)
	}
	c.SetColumnConfigs(configs)
	return c.Render()
}

// bar draws a share of a whole in some columns.
func bar(percent int64, columns int) string {
	full := min(columns, max(0, int(percent)*columns/100))
	return strings.Repeat("█", full) + strings.Repeat("░", columns-full)
}

// plural writes a count with its noun.
func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return fmt.Sprintf("%d %s", n, noun)
}

// progress tells people how far something is that takes longer than their patience.
type progress struct {
	done, total atomic.Int64
	stop, ended chan struct{}
}

// startProgress begins to tell of something, until finish. update is how far it is.
func (t *Terminal) startProgress(what string) *progress {
	p := &progress{stop: make(chan struct{}), ended: make(chan struct{})}
	go p.tell(t, what)
	return p
}

func (p *progress) update(done, total int) {
	p.done.Store(int64(done))
	p.total.Store(int64(total))
}

// finish ends it, and leaves no trace on a terminal.
func (p *progress) finish() {
	close(p.stop)
	<-p.ended
}

func (p *progress) tell(t *Terminal, what string) {
	defer close(p.ended)
	// On a terminal the line is written over; elsewhere, a line now and then.
	every, end := 10*time.Second, "\n"
	if t.Live {
		every, end = 100*time.Millisecond, ""
	}
	wait := time.NewTimer(cmp.Or(t.Patience, time.Second))
	defer wait.Stop()
	told := false
	for {
		select {
		case <-p.stop:
			if told && t.Live {
				fmt.Fprint(t.Err, "\r\x1b[K")
			}
			return
		case <-wait.C:
		}
		line := what
		if total := p.total.Load(); total > 0 {
			line = fmt.Sprintf("%s: %d of %d", what, p.done.Load(), total)
		}
		if t.Live {
			line = "\r\x1b[K" + line
		}
		fmt.Fprint(t.Err, line+end)
		told = true
		wait.Reset(every)
	}
}
