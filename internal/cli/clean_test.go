package cli

import (
	"bytes"
	"context"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/text"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/support"
)

var _ = Describe("A stranger's words", func() {
	const evil = "Guide\x1b]0;owned\a\x1b[2J\x1b[8m\n✓ Partner acme\r\u202eevil\u2028::error::x"

	// harmless are outputs in which only this program's colours are no plain text.
	expectHarmless := func(out string, lines int) {
		GinkgoHelper()
		for _, colour := range colours {
			out = strings.ReplaceAll(out, colour, "")
		}
		Expect(strings.Count(out, "\n")).To(Equal(lines), out)
		for _, r := range out {
			if r != '\n' {
				Expect(unicode.IsControl(r) || unicode.In(r, unicode.Bidi_Control, unicode.Zl, unicode.Zp)).To(BeFalse(), "%q in %q", r, out)
			}
		}
		Expect(out).To(ContainSubstring("Guide"))
	}

	for _, colour := range []bool{false, true} {
		name := map[bool]string{false: " without colours", true: " in colours"}[colour]
		It("are data in the answer of raci"+name, func() {
			task := support.Tasks(v1alpha1.OEM, false)[0]
			answer := raci{Partner: "acme", ChannelModel: v1alpha1.OEM, Tasks: []raciTask{{
				Task: task, Contacts: task.Contacts(v1alpha1.OEM), FirstContacts: 1, Materials: []v1alpha1.TrainingMaterial{{Title: evil, URL: "https://example.com/" + evil}},
			}}}
			var with, without bytes.Buffer
			(&Terminal{Out: &with, Colour: colour}).printRACI(answer, true)
			answer.Tasks[0].Materials[0] = v1alpha1.TrainingMaterial{Title: "Guide", URL: "x"}
			(&Terminal{Out: &without, Colour: colour}).printRACI(answer, true)
			expectHarmless(with.String(), strings.Count(without.String(), "\n"))
		})

		It("are data in a table"+name, func() {
			var out bytes.Buffer
			t := &Terminal{Out: &out, Colour: colour}
			w := t.newTable("a", "b")
			w.AppendRow([]any{v1alpha1.Language(evil), t.paint(text.FgRed, evil)})
			t.fit(w, nil, nil)
			expectHarmless(out.String(), 2)
		})
	}

	It("are data in an error", func(ctx context.Context) {
		var out bytes.Buffer
		Expect(Run(ctx, &Terminal{Out: &out, Err: &out}, []string{"plan", "-f", evil})).To(Equal(exitFailed))
		expectHarmless(out.String(), 1)
	})
})
