# Leaves in golangci-lint's list of linters those that .golangci.yml names one a line, those that are on without being
# named, the formatters, and what tells of code that does not compile (golinters).
# Reads .golangci.yml, then the list; a linter that is missing later is an error of golangci-lint, which knows no such name.
BEGIN { split("errcheck govet ineffassign staticcheck unused golinters gofmt goimports", standard); for (i in standard) kept[standard[i]] }

NR == FNR { if (/^    - [a-z]+/) kept[$2]; next }

function dropped(name) { return !(name in kept) }

/\/pkg\/golinters\/[a-z0-9]+"$/ { # an import
	name = $1; gsub(/.*\/|"/, "", name)
	if (dropped(name)) next
}
/^\t\tlinter\.NewConfig\(/ { # an entry, which a blank line ends
	name = $0; sub(/.*NewConfig\(/, "", name); sub(/\..*/, "", name)
	skipping = dropped(name)
}
/^$|^\t}, nil/ { skipping = 0 }
/placeholderReplacer :=/ { next } # for one that we do not have

!skipping
