package intake

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/dispel/partner-operator/api/v1alpha1"
	"github.com/dispel/partner-operator/internal/manifests"
	"github.com/dispel/partner-operator/internal/objects"
	"github.com/dispel/partner-operator/internal/preview"
)

// Column is a column of a table of tenants.
type Column struct {
	Name string
	// Required reports whether each row needs a value.
	Required bool
	// Meaning says what the value becomes, and how it is written.
	Meaning string
	// Example is a value.
	Example string
}

// Columns are all columns, in the order of the template. What a row leaves out is taken
// from the tenant's namespace.
var Columns = []Column{
	{"name", true, "the Partner's name: at most 55 lower-case letters, digits and hyphens", "acme"},
	{"displayName", true, "spec.displayName", "Acme Corp"},
	{"channelModel", true, "spec.channelModel: Reseller, Distributor, OEM or MSP", "OEM"},
	{"namespace", false, "the existing namespace, which becomes spec.tenant.namespace; partner-<name> if left empty", "acme-prod"},
	{"host", false, "spec.subdomain.host", "remote.acmecorp.com"},
	{"service", false, "spec.subdomain.backend.service, as name:port", "engine:8080"},
	{"external", false, "spec.subdomain.backend.external, as host:port", ""},
	{"issuer", false, "spec.subdomain.tls.issuerRef: the name of a ClusterIssuer, or Issuer/name", ""},
	{"secret", false, "spec.subdomain.tls.secretName", "acme-tls"},
	{"ingressClass", false, "spec.subdomain.route.ingressClassName", "traefik"},
	{"gateway", false, "spec.subdomain.route.gatewayRef, as namespace/name", ""},
	{"tier", false, "the tier of the plan: Basic, Premium or MissionCritical. Without plan, an existing plan of this tier is used", "Premium"},
	{"plan", false, "spec.supportPlanRef: the name of a SupportPlan. If it does not exist and tier is given, a SupportPlan of that name is written", ""},
	{"customers", false, "spec.customerCount", "28"},
	{"validFrom", false, "spec.validFrom, as YYYY-MM-DD", ""},
	{"validUntil", false, "spec.validUntil, as YYYY-MM-DD", "2027-12-31"},
	{"administrators", false, "spec.tenant.administrators, as Group:name, User:name or ServiceAccount:namespace/name, with spaces between them. A name may have spaces and commas, and ends where the next administrator begins", "Group:acme-admins"},
	{"fte", false, "one PCSMAllocation for each number, with spaces between them", "1 1 1"},
	{"timeZone", false, "localization.timeZone of all allocations", "Europe/Berlin"},
	{"languages", false, "localization.languages of all allocations, with spaces between them", "de en"},
}

// Template is a table with all columns and one row of examples.
func Template() string {
	examples := make([]string, 0, len(Columns))
	for _, column := range Columns {
		examples = append(examples, column.Example)
	}
	return written([][]string{examples})
}

// Fill is a table with a row for each namespace that is no Partner's, of what can be read there. The
// rest, such as the channel model, is for people to fill in. The findings are those of New.
func Fill(namespaces []Namespace, options Options) (string, []preview.Finding) {
	options.ChannelModel = v1alpha1.OEM // which can have all that a table describes
	var rows [][]string
	var readings []*reading
	for i := range namespaces {
		r := &reading{there: &namespaces[i], options: options, filling: true}
		r.read()
		if readings = append(readings, r); r.known {
			continue
		}
		cells := r.cells()
		row := make([]string, 0, len(Columns))
		for _, column := range Columns {
			row = append(row, cells[column.Name])
		}
		rows = append(rows, row)
	}
	return written(rows), findingsOf(readings)
}

// cells are what was read of a tenant, by column, as fromRow and its like read them.
func (r *reading) cells() map[string]string {
	spec := &r.partner.Spec
	cells := map[string]string{"name": r.partner.Name, "displayName": spec.DisplayName, "namespace": r.there.Name}
	if r.failed {
		return cells // a value would hide what is wrong with the tenant
	}
	if tenant := spec.Tenant; tenant != nil {
		var administrators []string
		for _, a := range tenant.Administrators {
			name := a.Name
			if a.Kind == v1alpha1.ServiceAccountSubject {
				name = a.Namespace + "/" + name
			}
			administrators = append(administrators, string(a.Kind)+":"+name)
		}
		cells["administrators"] = strings.Join(administrators, " ")
	}
	subdomain := spec.Subdomain
	if subdomain == nil {
		return cells
	}
	cells["host"] = string(subdomain.Host)
	if service := subdomain.Backend.Service; service != nil {
		cells["service"] = fmt.Sprintf("%s:%d", service.Name, service.Port)
	}
	if external := subdomain.Backend.External; external != nil {
		cells["external"] = fmt.Sprintf("%s:%d", external.Host, external.Port)
	}
	if tls := subdomain.TLS; tls != nil {
		cells["secret"] = tls.SecretName
		if tls.IssuerRef != nil {
			cells["issuer"] = string(cmp.Or(tls.IssuerRef.Kind, v1alpha1.ClusterIssuer)) + "/" + string(tls.IssuerRef.Name)
		}
	}
	if route := subdomain.Route; route != nil {
		cells["ingressClass"] = route.IngressClassName
		// The column has no listener: what the namespace says stays, if the cell is empty.
		if route.GatewayRef != nil && route.GatewayRef.SectionName == "" {
			cells["gateway"] = route.GatewayRef.Namespace + "/" + string(route.GatewayRef.Name)
		}
	}
	return cells
}

// written is a table with all columns, as CSV.
func written(rows [][]string) string {
	names := make([]string, 0, len(Columns))
	for _, column := range Columns {
		names = append(names, column.Name)
	}
	var out strings.Builder
	_ = csv.NewWriter(&out).WriteAll(append([][]string{names}, rows...)) // a Builder takes everything
	return out.String()
}

// Row is a tenant in a table: its values by column. Empty ones are left out.
type Row struct {
	manifests.Position
	values map[string]string
	// faulty rows are not read: they say only which namespaces are theirs.
	faulty bool
}

// Namespace is the one that the row is about, whether or not it is there.
func (r Row) Namespace() string {
	if name := r.values["namespace"]; name != "" {
		return name
	}
	return objects.DefaultNamespace(r.values["name"])
}

// ReadTable reads a table in the form of CSV (RFC 4180) with a row of column names, as
// spreadsheets write it: in UTF-8 or UTF-16, with commas, semicolons or tabs, perhaps with a first
// line that says which, such as sep=;, and with empty rows and columns around it. It returns the
// rows, and what it could not read of them.
func ReadTable(file string, from io.Reader) ([]Row, []preview.Finding) {
	t := table{file: file, seen: map[string]map[string]int{}}
	data, err := manifests.AtMost(from)
	if err == nil && (bytes.HasPrefix(data, []byte("PK\x03\x04")) || bytes.HasPrefix(data, []byte("\xd0\xcf\x11\xe0"))) {
		err = errors.New("this is a workbook, not a table: save it in the spreadsheet program as \"CSV UTF-8\"")
	}
	if err == nil {
		data, err = manifests.Text(marked(data))
	}
	if err != nil {
		line := 1
		if encoding, ok := errors.AsType[*manifests.NotUTF8](err); ok {
			line = encoding.Line
		}
		t.fault(line, "%s", err)
		return nil, t.findings
	}
	if !bytes.ContainsRune(data, '\n') {
		data = bytes.ReplaceAll(data, []byte("\r"), []byte("\n")) // as old systems end lines
	}
	start := bytes.TrimLeft(data, "\r\n")
	if named, rest, ok := separatorLine(start); ok {
		t.skipped = bytes.Count(data[:len(data)-len(start)], []byte("\n")) + 1
		data = rest
		t.reader = csv.NewReader(bytes.NewReader(data))
		t.reader.Comma = named
	} else {
		t.reader = csv.NewReader(bytes.NewReader(data))
		t.reader.Comma = separator(data)
	}
	t.reader.FieldsPerRecord = -1 // counted below, with a remedy
	t.read()
	return t.rows, t.findings
}

// marked puts a byte order mark before a text in UTF-16 that has none, by where its zeros are: half
// of the bytes of what is written in Latin letters.
func marked(data []byte) []byte {
	var zeros [2]int
	for i, b := range data[:min(len(data), 512)&^1] {
		if b == 0 {
			zeros[i%2]++
		}
	}
	switch least := min(len(data), 512) / 4; {
	case bytes.HasPrefix(data, []byte("\xff\xfe")), bytes.HasPrefix(data, []byte("\xfe\xff")):
	case zeros[1] > least && zeros[0] == 0:
		return append([]byte("\xff\xfe"), data...)
	case zeros[0] > least && zeros[1] == 0:
		return append([]byte("\xfe\xff"), data...)
	}
	return data
}

// separatorLine reads a first line that names the separator, as spreadsheets understand it.
func separatorLine(data []byte) (separator rune, rest []byte, ok bool) {
	line, rest, _ := bytes.Cut(data, []byte("\n"))
	value, ok := strings.CutPrefix(strings.ToLower(strings.Trim(strings.TrimRight(string(line), "\r"), `"`)), "sep=")
	if named := []rune(value); ok && len(named) == 1 && slices.Contains(separators, named[0]) {
		return named[0], rest, true
	}
	return 0, data, false
}

// separators are those that a table may have.
var separators = []rune{',', ';', '\t', '|'}

// separator is the one that is most in the line with the names of the columns; of a table without
// them, in the first line with letters.
func separator(data []byte) rune {
	best := separators[0]
	named := bytes.Contains(bytes.ToLower(data), []byte(Columns[0].Name))
	for line := range bytes.Lines(data) {
		if named && !bytes.Contains(bytes.ToLower(line), []byte(Columns[0].Name)) || !bytes.ContainsFunc(line, unicode.IsLetter) {
			continue
		}
		for _, other := range separators {
			if bytes.Count(line, []byte(string(other))) > bytes.Count(line, []byte(string(best))) {
				best = other
			}
		}
		break
	}
	return best
}

// table is a table that is read.
type table struct {
	file     string
	reader   *csv.Reader
	skipped  int      // lines before those of reader
	columns  []string // the names of Columns
	seen     map[string]map[string]int
	rows     []Row
	findings []preview.Finding
}

func (t *table) fault(line int, format string, args ...any) {
	t.findings = append(t.findings, preview.Finding{
		Severity: preview.Error, Reason: preview.ReasonUnreadable, Message: fmt.Sprintf(format, args...), Position: manifests.Position{File: t.file, Line: line},
	})
}

func (t *table) read() {
	header, err := t.next()
	switch {
	case errors.Is(err, io.EOF):
		t.fault(1, "the table is empty: start it with the names of the columns, as kubectl partner import --template does")
		return
	case err != nil:
		t.fault(1, "the row of column names cannot be read: %s", cause(err))
		return
	}
	line, _ := t.reader.FieldPos(0)
	for range maxTitles { // rows with a title
		if slices.ContainsFunc(header, func(name string) bool { return columnOf(name) >= 0 }) {
			break
		}
		later, err := t.next()
		if err != nil {
			break
		}
		if slices.ContainsFunc(later, func(name string) bool { return columnOf(name) >= 0 }) {
			header = later
			line, _ = t.reader.FieldPos(0)
		}
	}
	if !t.readHeader(header, line+t.skipped) {
		return
	}
	for {
		record, err := t.reader.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			line := 0
			if parse, ok := errors.AsType[*csv.ParseError](err); ok {
				line = parse.StartLine + t.skipped
			}
			t.fault(line, "the row cannot be read: %s: write a quote within a value twice, and the whole value in quotes", cause(err))
			if _, ok := errors.AsType[*csv.ParseError](err); !ok {
				return
			}
			continue
		}
		line, _ := t.reader.FieldPos(0)
		t.readRow(record, line+t.skipped)
	}
}

// maxTitles is how many rows may come before that with the names of the columns.
const maxTitles = 5

// columnOf is the place of a column in Columns; below 0 if there is none of that name.
func columnOf(name string) int {
	name = visible(name)
	return slices.IndexFunc(Columns, func(column Column) bool { return strings.EqualFold(column.Name, name) })
}

// next is the next record that has a value.
func (t *table) next() ([]string, error) {
	for {
		record, err := t.reader.Read()
		if err != nil || !blank(record) {
			return record, err
		}
	}
}

// blank reports whether no field of a record has a value. Spreadsheets write such rows and columns
// around a table.
func blank(record []string) bool {
	return !slices.ContainsFunc(record, func(value string) bool { return strings.TrimSpace(value) != "" })
}

// cause is the error without the position, which findings have.
func cause(err error) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return parse.Err
	}
	return err
}

func (t *table) readHeader(header []string, line int) bool {
	for len(header) > 0 && blank(header[len(header)-1:]) {
		header = header[:len(header)-1]
	}
	var known []string
	for _, column := range Columns {
		known = append(known, column.Name)
	}
	for _, name := range header {
		name = visible(name)
		i := columnOf(name)
		switch {
		case name == "": // a column that sets others apart
			t.columns = append(t.columns, "")
		case i < 0:
			t.fault(line, "column %q is unknown: remove it, or write one of %s", name, strings.Join(known, ", "))
			t.columns = append(t.columns, "")
		case slices.Contains(t.columns, known[i]):
			t.fault(line, "column %q is there twice: remove one", name)
			t.columns = append(t.columns, "")
		default:
			t.columns = append(t.columns, known[i])
		}
	}
	for _, column := range Columns {
		if column.Required && !slices.Contains(t.columns, column.Name) {
			t.fault(line, "column %q is missing: add it, with a value in each row", column.Name)
		}
	}
	return len(t.findings) == 0
}

// spreadsheetError is what spreadsheets write in place of a value, in any language.
var spreadsheetError = regexp.MustCompile(`^(#[\p{Lu}0-9/_¡¿.]+[!?]|#(N/A|N/D|NV|GETTING_DATA)|##+|Err:\d+)$`)

// visible is a value without the space, and what cannot be seen, around it.
func visible(value string) string {
	return strings.TrimFunc(value, func(r rune) bool { return unicode.IsSpace(r) || invisible(r) })
}

// lists are the columns with several values, which may stand in lines of their own.
var lists = []string{"administrators", "fte", "languages"}

// hidden are the characters that cannot be seen, but for those that join letters: as the schema of
// a Partner refuses them in displayName.
var hidden = &unicode.RangeTable{R16: []unicode.Range16{
	{Lo: 0x00, Hi: 0x1f, Stride: 1}, {Lo: 0x7f, Hi: 0x9f, Stride: 1}, {Lo: 0xad, Hi: 0xad, Stride: 1}, {Lo: 0x34f, Hi: 0x34f, Stride: 1},
	{Lo: 0x61c, Hi: 0x61c, Stride: 1}, {Lo: 0x115f, Hi: 0x1160, Stride: 1}, {Lo: 0x17b4, Hi: 0x17b5, Stride: 1}, {Lo: 0x180b, Hi: 0x180f, Stride: 1},
	{Lo: 0x200b, Hi: 0x200b, Stride: 1}, {Lo: 0x200e, Hi: 0x200f, Stride: 1}, {Lo: 0x2028, Hi: 0x202e, Stride: 1}, {Lo: 0x2060, Hi: 0x206f, Stride: 1},
	{Lo: 0x2800, Hi: 0x2800, Stride: 1}, {Lo: 0x3164, Hi: 0x3164, Stride: 1}, {Lo: 0xfeff, Hi: 0xfeff, Stride: 1}, {Lo: 0xffa0, Hi: 0xffa0, Stride: 1},
	{Lo: 0xfff9, Hi: 0xfffb, Stride: 1},
}, R32: []unicode.Range32{{Lo: 0xe0000, Hi: 0xe0fff, Stride: 1}}, LatinOffset: 3}

func invisible(r rune) bool { return unicode.Is(hidden, r) }

// unique are the columns of which no two rows have the same value.
var unique = []string{"name", "namespace", "host"}

func (t *table) readRow(record []string, line int) {
	if blank(record) {
		return
	}
	for len(record) > len(t.columns) && blank(record[len(record)-1:]) {
		record = record[:len(record)-1]
	}
	faults := len(t.findings)
	row := Row{Position: manifests.Position{File: t.file, Line: line}, values: map[string]string{}}
	for i, column := range t.columns[:min(len(t.columns), len(record))] {
		value := visible(record[i])
		switch {
		case value == "":
		case column == "":
			t.fault(line, "%q stands in a column without a name: name the column, or remove the value", value)
		default:
			row.values[column] = value
		}
	}
	for _, column := range t.columns {
		value := row.values[column]
		if spreadsheetError.MatchString(value) {
			t.fault(line, "column %q: %s is what a spreadsheet writes where a formula fails or a column is too narrow: mend that, or leave the value out", column, value)
		}
		list := slices.Contains(lists, column)
		if at := strings.IndexFunc(value, func(r rune) bool { return invisible(r) && (!list || !unicode.IsSpace(r)) }); at >= 0 {
			unseen, _ := utf8.DecodeRuneInString(value[at:])
			t.fault(line, "column %q: %q has a character that cannot be seen, %U: write the value without it", column, value, unseen)
		}
		if strings.ContainsRune(value, utf8.RuneError) {
			t.fault(line, "column %q: %q has U+FFFD, which programs write in place of a letter that they cannot read: write the letter", column, value)
		}
	}
	defer func() {
		row.faulty = len(t.findings) > faults
		t.rows = append(t.rows, row)
	}()
	if len(record) != len(t.columns) {
		t.fault(line, "the row has %d values for %d columns: write a separator for each value that is left out, and values that contain one in quotes", len(record), len(t.columns))
		return
	}
	if host, ok := row.values["host"]; ok {
		row.values["host"] = strings.ToLower(strings.TrimSuffix(host, ".")) // names in DNS have no case
	}
	for _, column := range Columns {
		if column.Required && row.values[column.Name] == "" {
			t.fault(line, "column %q has no value: write %s", column.Name, column.Meaning)
		}
	}
	for _, column := range unique {
		value := row.values[column]
		if value == "" {
			continue
		}
		if first, again := t.seen[column][value]; again {
			t.fault(line, "%s %q is in line %d, too: each tenant has its own", column, value, first)
			continue
		}
		if t.seen[column] == nil {
			t.seen[column] = map[string]int{}
		}
		t.seen[column][value] = line
	}
}
