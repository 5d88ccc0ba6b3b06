module tlspeer

go 1.26
