print("lumosx")
