package support

import (
	"slices"

	"github.com/dispel/partner-operator/api/v1alpha1"
)

// Role is a party's part in a task ("Partner Support Enablement", Role
// Descriptions).
type Role string

// The roles. A party without any has the empty one.
const (
	// Primary owns the task from start to finish.
	Primary Role = "Primary"
	// Secondary helps when the primary cannot resolve it.
	Secondary Role = "Secondary"
	// DocumentationAndTraining supplies the materials only.
	DocumentationAndTraining Role = "DocumentationAndTraining"
)

// Task is a category of work and each party's part in it ("Partner Support
// Enablement", RACI Matrix).
type Task struct {
	// ID is the task category, as plans name it.
	ID v1alpha1.TaskName `json:"id"`
	// Name is the task category as people read it.
	Name string `json:"name"`
	// About says what the task is.
	About string `json:"about"`
	// ServiceType is the kind of work that it is.
	ServiceType v1alpha1.ServiceType `json:"serviceType"`
	// Customer and Partner are those parties' roles.
	Customer Role `json:"customer,omitempty"`
	Partner  Role `json:"partner,omitempty"`
	// Dispel are Dispel's roles. It can help out and supply the materials.
	Dispel []Role `json:"dispel"`
	// WithPCSM tells that Dispel's P-CSMs carry the task out beside the
	// partner's team, which stays Primary.
	WithPCSM bool `json:"withPCSM,omitempty"`
}

// EndUserSupport is the task that a request is which impairs nothing, and so has no
// severity ("Partner Support Enablement", Task Category Descriptions).
const EndUserSupport = "End-user support"

// matrix is that of an OEM or MSP that runs its own support, before Dispel's
// part as Secondary, which it is for all that is the partner's. Where the document lost a cell, the owner is read from its
// prose: end customers manage users, and Implementation and Maintenance are the
// partner's.
var matrix = []struct {
	id        v1alpha1.TaskName
	name      string
	service   v1alpha1.ServiceType
	primary   v1alpha1.Party
	materials bool
	about     string
}{
	{v1alpha1.UserAccountManagement, "User account management", v1alpha1.Implementation, v1alpha1.PartyCustomer, true, "accounts of users: creating, changing and removing them, how they sign in and what role they have"},
	{v1alpha1.UserAccessManagement, "User access management", v1alpha1.Implementation, v1alpha1.PartyCustomer, true, "what users may reach: granting and withdrawing access to devices and resources"},
	{v1alpha1.CustomerCommunication, "Communication with partner's customers", v1alpha1.CustomerSuccess, v1alpha1.PartyPartner, true, "talking with the partner's customers: answers to inquiries, news, the progress of faults"},
	{v1alpha1.EndUserSupport, EndUserSupport, v1alpha1.CustomerSuccess, v1alpha1.PartyPartner, true, "questions about using the engine, and requests that impair nothing, such as a reset of MFA"},
	{v1alpha1.WicketDeployment, "Wicket deployment and installation", v1alpha1.Implementation, v1alpha1.PartyPartner, true, "Wickets: collecting what an installation needs, and installing them until they connect to Dispel and to the devices behind them"},
	{v1alpha1.TrainingAndOnboarding, "Training and onboarding", v1alpha1.CustomerSuccess, v1alpha1.PartyPartner, true, "new customers: the first set-up, and training for their users"},
	{v1alpha1.VirtualDesktopStackManagement, "Virtual desktop stack management", v1alpha1.CustomerSuccess, v1alpha1.PartyPartner, true, "a customer's stack of virtual desktops: its size in the contract, and its images"},
	{v1alpha1.NetworkConnectivity, "Network connectivity", v1alpha1.Implementation, v1alpha1.PartyPartner, false, "connections between Wickets, customers' devices and Dispel's regions"},
	{v1alpha1.WicketUpdates, "Applying Wicket ESI patches and updates", v1alpha1.Maintenance, v1alpha1.PartyPartner, false, "bringing Wickets up to date"},
	{v1alpha1.EngineBugs, "Zero Trust Engine bugs", v1alpha1.Maintenance, v1alpha1.PartyDispel, false, "faults in the engine's software: finding, reporting and fixing them"},
	{v1alpha1.EngineSecurityPatches, "Zero Trust Engine security patches", v1alpha1.Maintenance, v1alpha1.PartyDispel, false, "closing security holes in the engine"},
	{v1alpha1.InfrastructureOutages, "Critical infrastructure outages", v1alpha1.TechnicalSupport, v1alpha1.PartyDispel, false, "major disruptions of the platform: restoring it"},
}

// AboutService says what a kind of work is ("Partner Support Enablement", Service Types
// Descriptions).
func AboutService(service v1alpha1.ServiceType) string {
	switch service {
	case v1alpha1.Implementation:
		return "setting up, configuring and deploying the engine, Wickets at customers' sites included"
	case v1alpha1.CustomerSuccess:
		return "onboarding, training, help and communication for end users"
	case v1alpha1.Maintenance:
		return "upkeep of the engine: fixes and updates"
	case v1alpha1.TechnicalSupport:
		return "advanced troubleshooting of escalated faults, and the health of the infrastructure"
	}
	return ""
}

// Materials are a plan's training materials for a task.
func Materials(plan *v1alpha1.SupportPlan, task v1alpha1.TaskName) []v1alpha1.TrainingMaterial {
	materials := []v1alpha1.TrainingMaterial{}
	for _, material := range plan.Spec.TrainingMaterials {
		if slices.Contains(material.Tasks, task) {
			materials = append(materials, material)
		}
	}
	return materials
}

// WithoutMaterials are the tasks for which Dispel owes training materials and a plan
// lists none.
func WithoutMaterials(plan *v1alpha1.SupportPlan) []v1alpha1.TaskName {
	var missing []v1alpha1.TaskName
	for _, task := range Tasks(v1alpha1.OEM, false) {
		if slices.Contains(task.Dispel, DocumentationAndTraining) && len(Materials(plan, task.ID)) == 0 {
			missing = append(missing, task.ID)
		}
	}
	return missing
}

// TaskNames are the names of tasks as plans write them.
func TaskNames(tasks []v1alpha1.TaskName) []string {
	names := make([]string, 0, len(tasks))
	for _, task := range tasks {
		names = append(names, string(task))
	}
	return names
}

// Tasks returns who has which part in each task for a partner's customers, with
// or without P-CSMs contracted. Under a Reseller or Distributor, Dispel does
// what is an OEM's or MSP's own work (read from the channel table).
func Tasks(model v1alpha1.ChannelModel, pcsm bool) []Task {
	tasks := make([]Task, 0, len(matrix))
	for _, row := range matrix {
		task := Task{ID: row.id, Name: row.name, About: row.about, ServiceType: row.service}
		switch {
		case row.primary == v1alpha1.PartyCustomer:
			task.Customer = Primary
		case row.primary == v1alpha1.PartyPartner && model.WhiteLabels():
			task.Partner = Primary
			task.Dispel = []Role{Secondary}
			task.WithPCSM = pcsm
		default:
			task.Dispel = []Role{Primary}
		}
		if row.materials && !slices.Contains(task.Dispel, Primary) {
			task.Dispel = append(task.Dispel, DocumentationAndTraining)
		}
		tasks = append(tasks, task)
	}
	return tasks
}

// Responsibilities returns who owns each kind of work ("Partner Support
// Enablement", channel models). P-CSMs work beside an OEM's or MSP's team in
// all four.
func Responsibilities(model v1alpha1.ChannelModel, pcsm bool) []v1alpha1.Responsibility {
	responsibilities := make([]v1alpha1.Responsibility, 0, 4)
	for _, service := range []v1alpha1.ServiceType{
		v1alpha1.Implementation, v1alpha1.CustomerSuccess, v1alpha1.Maintenance, v1alpha1.TechnicalSupport,
	} {
		responsible := v1alpha1.PartyDispel
		if model.WhiteLabels() && service != v1alpha1.TechnicalSupport {
			responsible = v1alpha1.PartyPartner
		}
		responsibilities = append(responsibilities, v1alpha1.Responsibility{
			ServiceType: service,
			Responsible: responsible,
			WithPCSM:    pcsm && model.WhiteLabels(),
		})
	}
	return responsibilities
}

// FirstContacts are how many of the Contacts an end customer turns to at first: with
// active P-CSMs, the partner's team and the P-CSMs alike ("Customer Success Manager
// (P-CSM)", How customers interact with P-CSMs).
func (t Task) FirstContacts() int {
	if t.WithPCSM {
		return 2
	}
	return 1
}

// Contacts returns to whom an end customer turns with a task, the first one first
// ("Partner Support Enablement", Shared Responsibility): an OEM or MSP is the sole
// point of contact of its customers, and Dispel helps when it cannot. The customers
// of the others turn to Dispel. Where P-CSMs are active, the partner's team and
// they are both first contacts.
func (t Task) Contacts(model v1alpha1.ChannelModel) []Contact {
	var contacts []Contact
	if t.Customer == Primary {
		contacts = append(contacts, Contact(v1alpha1.PartyCustomer))
	}
	if model.WhiteLabels() {
		contacts = append(contacts, Contact(v1alpha1.PartyPartner))
	}
	if t.WithPCSM {
		contacts = append(contacts, ContactPCSM)
	}
	return append(contacts, Contact(v1alpha1.PartyDispel))
}

// Contact is to whom an end customer turns: a party, or Dispel's P-CSMs.
type Contact string

// ContactPCSM are Dispel's P-CSMs, whom end customers reach in the support widget.
const ContactPCSM Contact = "DispelPCSM"

// Prioritised reports whether Dispel puts a severity before others ("Partner Support
// Enablement", RACI Matrix).
func Prioritised(severity int32) bool {
	return severity <= 2
}
