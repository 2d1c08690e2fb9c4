package intake

import (
	"bufio"
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

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
	{"administrators", false, "spec.tenant.administrators, as Group:name, User:name or ServiceAccount:namespace/name, with spaces between them", "Group:acme-admins"},
	{"fte", false, "one PCSMAllocation for each number, with spaces between them", "1 1 1"},
	{"timeZone", false, "localization.timeZone of all allocations", "Europe/Berlin"},
	{"languages", false, "localization.languages of all allocations, with spaces between them", "de en"},
}

// Template is a table with all columns and one row of examples.
func Template() string {
	var names, examples []string
	for _, column := range Columns {
		names, examples = append(names, column.Name), append(examples, column.Example)
	}
	var out strings.Builder
	table := csv.NewWriter(&out)
	_ = table.WriteAll([][]string{names, examples}) // a Builder takes everything
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
// spreadsheets write it: with commas, semicolons or tabs, and with or without a
// byte-order mark. It returns the rows, and what it could not read of them.
func ReadTable(file string, from io.Reader) ([]Row, []preview.Finding) {
	buffered := bufio.NewReader(from)
	if mark, err := buffered.Peek(3); err == nil && bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = buffered.Discard(3) // which was just seen
	}
	t := table{file: file, reader: csv.NewReader(buffered), seen: map[string]map[string]int{}}
	t.reader.Comma = separator(buffered)
	t.reader.FieldsPerRecord = -1 // counted below, with a remedy
	t.read()
	return t.rows, t.findings
}

// separator is the one that the first line uses.
func separator(from *bufio.Reader) rune {
	const longest = 4096
	start, _ := from.Peek(longest) // a shorter table is no fault
	line, _, _ := bytes.Cut(start, []byte("\n"))
	separator := ','
	for _, other := range []rune{';', '\t'} {
		if bytes.Count(line, []byte(string(other))) > bytes.Count(line, []byte(string(separator))) {
			separator = other
		}
	}
	return separator
}

// table is a table that is read.
type table struct {
	file     string
	reader   *csv.Reader
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
	header, err := t.reader.Read()
	switch {
	case errors.Is(err, io.EOF):
		t.fault(1, "the table is empty: start it with the names of the columns, as kubectl partner import --template does")
		return
	case err != nil:
		t.fault(1, "the row of column names cannot be read: %s", cause(err))
		return
	}
	if !t.readHeader(header) {
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
				line = parse.StartLine
			}
			t.fault(line, "the row cannot be read: %s: write a quote within a value twice, and the whole value in quotes", cause(err))
			if _, ok := errors.AsType[*csv.ParseError](err); !ok {
				return
			}
			continue
		}
		line, _ := t.reader.FieldPos(0)
		t.readRow(record, line)
	}
}

// cause is the error without the position, which findings have.
func cause(err error) error {
	if parse, ok := errors.AsType[*csv.ParseError](err); ok {
		return parse.Err
	}
	return err
}

func (t *table) readHeader(header []string) bool {
	var known []string
	for _, column := range Columns {
		known = append(known, column.Name)
	}
	for _, name := range header {
		name = strings.TrimSpace(name)
		i := slices.IndexFunc(known, func(column string) bool { return strings.EqualFold(column, name) })
		switch {
		case i < 0:
			t.fault(1, "column %q is unknown: remove it, or write one of %s", name, strings.Join(known, ", "))
			t.columns = append(t.columns, "")
		case slices.Contains(t.columns, known[i]):
			t.fault(1, "column %q is there twice: remove one", name)
			t.columns = append(t.columns, "")
		default:
			t.columns = append(t.columns, known[i])
		}
	}
	for _, column := range Columns {
		if column.Required && !slices.Contains(t.columns, column.Name) {
			t.fault(1, "column %q is missing: add it, with a value in each row", column.Name)
		}
	}
	return len(t.findings) == 0
}

// unique are the columns of which no two rows have the same value.
var unique = []string{"name", "namespace", "host"}

func (t *table) readRow(record []string, line int) {
	if !slices.ContainsFunc(record, func(value string) bool { return strings.TrimSpace(value) != "" }) {
		return // spreadsheets leave such rows at the end
	}
	faults := len(t.findings)
	row := Row{Position: manifests.Position{File: t.file, Line: line}, values: map[string]string{}}
	for i, column := range t.columns[:min(len(t.columns), len(record))] {
		if value := strings.TrimSpace(record[i]); value != "" {
			row.values[column] = value
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
